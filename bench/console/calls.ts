/** `npm run bench -- console-calls`: server latency of the console's lists with 200 endpoints, one hour of metrics, and 1,000 versions. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock } from '../../src/clock.ts';
import { Measure, MetricStore, variantMetricKey } from '../../src/metrics/index.ts';
import { openDatabase } from '../../src/storage/index.ts';
import { multiplyVersions } from '../../test/console/versions.ts';
import { Server, temporaryDirectory } from '../../test/end-to-end/server.ts';
import { summarize } from '../load/latencies.ts';
import { commit, machine } from '../machine.ts';
import { writeResults } from '../results.ts';

const [endpointCount, versionCount, minutes, times] = [200, 1000, 60, 20];

export async function consoleCalls({ isDry }: { isDry: boolean }): Promise<void> {
  const dataDir = temporaryDirectory();
  try {
    await fill(dataDir);
    const rows = await callsOf(dataDir);
    const { cores, cpu, node } = machine();
    const at = new Date().toISOString();
    const head = `${at.slice(0, 10)}, commit ${commit()}, ${cores} cores (${cpu}, Node ${node}): ${endpointCount} endpoints, each with ${minutes} minutes of metrics; ${versionCount} versions in a group.`;
    const lines = rows.map(({ what, target, p50, max }) => `| ${what} | ${p50.toFixed(0)} ms | ${max.toFixed(0)} ms | ${target} |`);
    const text = [head, '', `| | p50 of ${times} | at most | target |`, '|---|---|---|---|', ...lines].join('\n');
    console.log(text);
    if (!isDry) writeResults('console-calls', { at, commit: commit(), machine: machine(), rows }, text);
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

interface Measured {
  readonly what: string;
  readonly target: string;
  readonly p50: number;
  readonly max: number;
}

/** Creates one version and the endpoints by the API; other versions and metrics are written directly to the databases. */
async function fill(dataDir: string): Promise<void> {
  const server = await Server.start({ dataDir });
  try {
    await server.callWell('POST', '/catalogue/digits-mlp/register', { group: 'digits' });
    await server.callWell('POST', '/groups/digits/versions/1/approval', { approval: 'Approved' });
    for (let i = 0; i < endpointCount; i++) {
      const name = nameOf(i);
      // Functions only, so no worker runs without traffic.
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
    const metricKey = variantMetricKey('Penstock', nameOf(i), 'AllTraffic');
    for (let minute = minutes; minute >= 1; minute--) {
      const latency = new Measure();
      for (let k = 0; k < 200; k++) latency.add(5 + ((k * 37 + minute * 11 + i) % 200) / 5);
      const missed = new Measure();
      missed.add(0, 197);
      missed.add(1, 3);
      const cost = new Measure();
      cost.add(0.0001);
      const atMs = nowMs - minute * 60_000;
      store.put(metricKey, { name: 'Latency', unit: 'Milliseconds' }, atMs, latency);
      store.put(metricKey, { name: 'ObjectiveMissed', unit: 'None' }, atMs, missed);
      store.put(metricKey, { name: 'FunctionsCost', unit: 'None' }, atMs, cost);
    }
    if (i % 20 === 19) await store.flush();
  }
  await store.close();
  await close();
}

async function timed(what: string, target: string, run: () => Promise<unknown>): Promise<Measured> {
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    const beganMs = performance.now();
    await run();
    took.push(performance.now() - beganMs);
  }
  const { p50, max } = summarize(took);
  console.error(`${what}: p50 ${p50.toFixed(1)} ms, at most ${max.toFixed(1)} ms`);
  return { what, target, p50, max };
}

async function callsOf(dataDir: string): Promise<Measured[]> {
  const server = await Server.start({ dataDir });
  const call = (path: string) => () => server.callWell('GET', path);
  try {
    const beganMs = performance.now();
    await server.callWell('GET', '/overview');
    const firstMs = performance.now() - beganMs;
    const first = { what: '`GET /overview`, the first after a start', target: '', p50: firstMs, max: firstMs };
    // The server caches the overview for a second, so each call uses a different span.
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
