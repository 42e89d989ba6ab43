/**
 * `npm run bench -- console`: time to render lists of 200 endpoints and 1,000 versions, and heap growth over an hour of live charts. Browser
 * and server are real; the messages of the hour are derived from a real one and delivered faster.
 */
import { rmSync } from 'node:fs';
import { type BrowserView, Console } from '../../test/console/browser.ts';
import { multiplyVersions } from '../../test/console/versions.ts';
import { Server, temporaryDirectory } from '../../test/end-to-end/server.ts';
import { machine } from '../machine.ts';
import { writeResults } from '../results.ts';

const endpoints = 200;
const groups = 10;
const versionsPerGroup = 100;
/** Versions on the first page of a group. */
const versionsAtFirst = 25;
const openings = 7;
const hourMessages = 1800;

interface ConsoleResults {
  readonly at: string;
  readonly machine: ReturnType<typeof machine>;
  /** Milliseconds from the click to the last row, median over `openings`. */
  readonly openMs: Readonly<Record<string, number>>;
  /** Heap of the page after garbage collection: after the first minute, and after another hour. */
  readonly heapMiB: { readonly atFirst: number; readonly afterHour: number };
}

export async function consoleBench({ isDry }: { readonly isDry: boolean }): Promise<void> {
  const dataDir = temporaryDirectory();
  await fill(dataDir);
  const made = await Console.start({ dataDir });
  try {
    const openMs = await openAll(made);
    const heapMiB = await hour(made);
    const results: ConsoleResults = { at: new Date().toISOString(), machine: machine(), openMs, heapMiB };
    const table = tableOf(results);
    console.log(table);
    if (!isDry) writeResults('console', results, table);
  } finally {
    await made.end();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** Creates one version per group and the endpoints by the API; other versions are written directly to the database. */
async function fill(dataDir: string): Promise<void> {
  const server = await Server.start({ dataDir });
  try {
    for (let number = 0; number < groups; number++)
      await server.callWell('POST', '/catalogue/digits-mlp/register', { group: `group-${String(number).padStart(2, '0')}` });
    await server.callWell('POST', '/groups/group-00/versions/1/approval', { approval: 'Approved' });
    for (let number = 0; number < endpoints; number++) {
      const name = `endpoint-${String(number).padStart(3, '0')}`;
      await server.callWell('POST', '/endpoints', { name, objective: 'p95<=100ms', variants: [{ model: 'group-00/1', functions: {} }] });
    }
  } finally {
    await server.end();
  }
  multiplyVersions(dataDir, versionsPerGroup);
  console.error(`${endpoints} endpoints, ${groups * versionsPerGroup} versions`);
}

/** Opens pages by navigation within the console, so that scripts are cached as in normal use. */
async function openAll(made: Console): Promise<Record<string, number>> {
  const result = await made.open('/settings');
  const found: Record<string, number> = {};
  for (const { name, path, table = '', rows } of [
    { name: 'endpoints', path: '/endpoints', rows: endpoints },
    { name: 'overview', path: '/', rows: endpoints },
    { name: 'models', path: '/models', rows: groups },
    // The comparison below has rows, too.
    { name: 'versions of a group, the latest 25', path: '/models/group-03', table: '.versions', rows: versionsAtFirst },
  ]) {
    const times: number[] = [];
    for (let opening = 0; opening < openings; opening++) {
      await result.goTo('/settings');
      times.push(await openMs(result, path, { table, rows }));
    }
    found[name] = Math.round(times.toSorted((a, b) => a - b)[Math.floor(openings / 2)] ?? Number.NaN);
    console.error(`${name}: ${found[name]} ms of ${times.map(Math.round).join(', ')}`);
  }
  return found;
}

/** Measured inside the page, so that the DevTools round trip does not count. */
function openMs(result: BrowserView, path: string, { table, rows }: { readonly table: string; readonly rows: number }): Promise<number> {
  return result.page.evaluate<number>(`new Promise((resolve, reject) => {
    const began = performance.now();
    history.pushState({}, '', ${JSON.stringify(path)});
    dispatchEvent(new PopStateEvent('popstate'));
    const poll = () => {
      if (document.querySelectorAll('main table${table} tbody tr').length >= ${rows}) requestAnimationFrame(() => resolve(performance.now() - began));
      else if (performance.now() - began > 20000) reject(new Error('the rows did not appear: ' + document.querySelectorAll('main tbody tr').length));
      else setTimeout(poll, 4);
    };
    poll();
  })`);
}

async function hour(made: Console): Promise<ConsoleResults['heapMiB']> {
  const result = await made.open('/settings');
  const { page } = result;
  await page.addInitScript(`
    const Real = EventSource;
    globalThis.received = [];
    globalThis.EventSource = class extends Real {
      addEventListener(kind, run) {
        if (kind === 'numbers') globalThis.deliver = (data) => run({ data });
        super.addEventListener(kind, (event) => { if (kind === 'numbers') globalThis.received.push(event.data); run(event); });
      }
    };`);
  await result.goTo('/endpoints/endpoint-000');
  await page.waitForFunction('globalThis.received.length > 0', undefined, { timeout: 30_000 });
  const session = await page.context().newCDPSession(page);
  const heap = async (): Promise<number> => {
    await session.send('HeapProfiler.collectGarbage');
    await session.send('HeapProfiler.collectGarbage');
    return (await session.send('Runtime.getHeapUsage')).usedSize / 2 ** 20;
  };
  const deliver = (from: number, count: number): Promise<unknown> =>
    page.evaluate(`(async () => {
      const base = JSON.parse(globalThis.received[0]);
      for (let number = ${from}; number < ${from + count}; number++) {
        const body = structuredClone(base);
        const shift = number * 2;
        body.history.at = body.history.at.map((second) => second + Math.floor(shift / 10) * 10);
        body.history.to = new Date(Date.parse(base.history.to) + shift * 1000).toISOString();
        for (const name of Object.keys(body.history.columns)) body.history.columns[name] = body.history.at.map((_, place) => 40 + 30 * Math.sin(number / 9 + place));
        globalThis.deliver(JSON.stringify(body));
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
    })()`);
  await deliver(0, 30);
  const atFirst = await heap();
  await deliver(30, hourMessages);
  const afterHour = await heap();
  console.error(`heap ${atFirst.toFixed(1)} MiB, after an hour ${afterHour.toFixed(1)} MiB`);
  return { atFirst: Number(atFirst.toFixed(1)), afterHour: Number(afterHour.toFixed(1)) };
}

function tableOf({ at, machine: { cpu, cores }, openMs, heapMiB }: ConsoleResults): string {
  const rows = Object.entries(openMs).map(([name, ms]) => `| ${name} | ${ms} ms | < 300 ms |`);
  return `${at.slice(0, 10)}, ${cores} cores, ${cpu}, browser and server on the same machine.

| opens, with ${endpoints} endpoints and ${groups * versionsPerGroup} versions | median of ${openings} | target |
|---|---|---|
${rows.join('\n')}

Live charts for an hour: the page's heap is ${heapMiB.atFirst} MiB after the first minute and ${heapMiB.afterHour} MiB after the hour (allowed growth: 20 MB).`;
}
