/** `npm run bench -- console-calls`: what the console's lists take of the server with 200 endpoints, an hour of their numbers, and 1,000 versions. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock } from '../../src/clock.ts';
import { Measure, MetricStore, placeOfVariant } from '../../src/monitoring/index.ts';
import { openDatabase } from '../../src/storage/index.ts';
import { multiplyVersions } from '../../test/console/versions.ts';
import { Server, temporaryDirectory } from '../../test/end-to-end/server.ts';
import { summarize } from '../load/latencies.ts';
import { commit, machine } from '../machine.ts';
import { keep } from '../results.ts';

const [endpointCount, versionCount, minutes, times] = [200, 1000, 60, 20];

export async function consoleCalls({ isDry }: { isDry: boolean }): Promise<void> {
  const dataDir = temporaryDirectory();
  try {
    await fill(dataDir);
    const rows = await callsOf(dataDir);
    const { cores, cpu, node } = machine();
    const at = new Date().toISOString();
    const head = `${at.slice(0, 10)}, commit ${commit()}, ${cores} cores (${cpu}, Node ${node}): ${endpointCount} endpoints, each with ${minutes} minutes of numbers; ${versionCount} versions in a group.`;
    const lines = rows.map(({ what, wanted, p50, max }) => `| ${what} | ${p50.toFixed(0)} ms | ${max.toFixed(0)} ms | ${wanted} |`);
    const text = [head, '', `| | p50 of ${times} | at most | wanted |`, '|---|---|---|---|', ...lines].join('\n');
    console.log(text);
    if (!isDry) keep('console-calls', { at, commit: commit(), machine: machine(), rows }, text);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

interface Measured {
  readonly what: string;
  readonly wanted: string;
  readonly p50: number;
  readonly max: number;
}

/** One version and its endpoints by the API, the other versions and the numbers where they would lie. */
async function fill(dataDir: string): Promise<void> {
  const server = await Server.start({ dataDir });
  try {
    await server.callWell('POST', '/catalogue/digits-mlp/register', { group: 'digits' });
    await server.callWell('POST', '/groups/digits/versions/1/approval', { approval: 'Approved' });
    for (let i = 0; i < endpointCount; i++) {
      const name = nameOf(i);
      // Functions only: nothing runs until somebody comes.
      await server.callWell('POST', '/endpoints', { name, objective: 'p95<=50ms', variants: [{ model: 'digits/1', functions: {} }] });
    }
  } finally {
    await server.end();
  }
  multiplyVersions(dataDir, versionCount);
  await fillMetrics(dataDir);
}

function nameOf(i: number): string {
  return `endpoint-${String(i).padStart(3, '0')}`;
}

async function fillMetrics(dataDir: string): Promise<void> {
  const clock = new SystemClock();
  const { db, close } = await openDatabase({ file: join(dataDir, 'metrics.db'), synchronous: 'NORMAL' }, ['metrics']);
  const store = new MetricStore({ db, clock, onFailure: (error) => assert.fail(String(error)) });
  await store.open();
  const nowMs = clock.wallMs();
  for (let i = 0; i < endpointCount; i++) {
    const place = placeOfVariant('Penstock', nameOf(i), 'AllTraffic');
    for (let minute = minutes; minute >= 1; minute--) {
      const latency = new Measure();
      for (let k = 0; k < 200; k++) latency.add(5 + ((k * 37 + minute * 11 + i) % 200) / 5);
      const missed = new Measure();
      missed.add(0, 197);
      missed.add(1, 3);
      const spent = new Measure();
      spent.add(0.0001);
      const atMs = nowMs - minute * 60_000;
      store.put(place, { name: 'Latency', unit: 'Milliseconds' }, atMs, latency);
      store.put(place, { name: 'ObjectiveMissed', unit: 'None' }, atMs, missed);
      store.put(place, { name: 'FunctionsSpent', unit: 'None' }, atMs, spent);
    }
    if (i % 20 === 19) await store.flush();
  }
  await store.close();
  await close();
}

async function timed(what: string, wanted: string, run: () => Promise<unknown>): Promise<Measured> {
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    const beganMs = performance.now();
    await run();
    took.push(performance.now() - beganMs);
  }
  const { p50, max } = summarize(took);
  console.error(`${what}: p50 ${p50.toFixed(1)} ms, at most ${max.toFixed(1)} ms`);
  return { what, wanted, p50, max };
}

async function callsOf(dataDir: string): Promise<Measured[]> {
  const server = await Server.start({ dataDir });
  const call = (path: string) => () => server.callWell('GET', path);
  try {
    const beganMs = performance.now();
    await server.callWell('GET', '/overview');
    const firstMs = performance.now() - beganMs;
    const first = { what: '`GET /overview`, the first after a start', wanted: '', p50: firstMs, max: firstMs };
    // It is read anew once a second.
    const overview = await timed('`GET /overview`, later ones', '< 300 ms', async () =>
      server.callWell('GET', `/overview?span_s=${3600 - Math.floor(Math.random() * 60)}`),
    );
    return [
      first,
      overview,
      await timed('`GET /endpoints`, all 200', '< 300 ms', call('/endpoints?limit=500')),
      await timed('`GET /groups/digits/versions`, the first 100', '< 300 ms', call('/groups/digits/versions?limit=100')),
      await timed('... all 1,000, two pages of 500', '< 300 ms', async () => {
        const { next } = await server.callWell<{ next: string }>('GET', '/groups/digits/versions?limit=500');
        await server.callWell('GET', `/groups/digits/versions?limit=500&cursor=${next}`);
      }),
      await timed('`GET /endpoints/endpoint-000/history`, an hour by ten seconds', '', call('/endpoints/endpoint-000/history?period_s=10')),
    ];
  } finally {
    await server.end();
  }
}
