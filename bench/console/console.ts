/**
 * The console with much to show: how soon the lists of 200 endpoints and 1,000 versions stand there, and what an hour of live charts takes of
 * the page's memory. The browser and the server are real; the hour's messages are real ones, handed to the page faster than they come.
 */
import { rmSync } from 'node:fs';
import { Console, type Look } from '../../test/console/browser.ts';
import { multiplyVersions } from '../../test/console/versions.ts';
import { Server, temporaryDirectory } from '../../test/end-to-end/server.ts';
import { machine } from '../machine.ts';
import { keep } from '../results.ts';

const endpoints = 200;
const groups = 10;
const versionsPerGroup = 100;
/** Of a group, that many are read at first. */
const versionsAtFirst = 25;
const openings = 7;
const hourMessages = 1800;

interface ConsoleResults {
  readonly at: string;
  readonly machine: ReturnType<typeof machine>;
  /** Milliseconds from the click to the last row, the median of some openings. */
  readonly openMs: Readonly<Record<string, number>>;
  /** The page's heap after a collection: after the first minute, and after an hour more. */
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
    if (!isDry) keep('console', results, table);
  } finally {
    await made.end();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** One version of each group and the endpoints by the API, the other versions where they would lie. */
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

/** By a click in the console: what was loaded once is in the browser, as it is for whoever works with it. */
async function openAll(made: Console): Promise<Record<string, number>> {
  const look = await made.open('/settings');
  const found: Record<string, number> = {};
  for (const { name, path, table = '', rows } of [
    { name: 'endpoints', path: '/endpoints', rows: endpoints },
    { name: 'overview', path: '/', rows: endpoints },
    { name: 'models', path: '/models', rows: groups },
    // The comparison below it has rows as well.
    { name: 'versions of a group, the latest 25', path: '/models/group-03', table: '.versions', rows: versionsAtFirst },
  ]) {
    const times: number[] = [];
    for (let opening = 0; opening < openings; opening++) {
      await look.go('/settings');
      times.push(await openMs(look, path, { table, rows }));
    }
    found[name] = Math.round(times.toSorted((a, b) => a - b)[Math.floor(openings / 2)] ?? Number.NaN);
    console.error(`${name}: ${found[name]} ms of ${times.map(Math.round).join(', ')}`);
  }
  return found;
}

/** Within the page, so that the way to the browser and back does not count. */
function openMs(look: Look, path: string, { table, rows }: { readonly table: string; readonly rows: number }): Promise<number> {
  return look.page.evaluate<number>(`new Promise((resolve, reject) => {
    const began = performance.now();
    history.pushState({}, '', ${JSON.stringify(path)});
    dispatchEvent(new PopStateEvent('popstate'));
    const look = () => {
      if (document.querySelectorAll('main table${table} tbody tr').length >= ${rows}) requestAnimationFrame(() => resolve(performance.now() - began));
      else if (performance.now() - began > 20000) reject(new Error('the rows did not come: ' + document.querySelectorAll('main tbody tr').length));
      else setTimeout(look, 4);
    };
    look();
  })`);
}

async function hour(made: Console): Promise<ConsoleResults['heapMiB']> {
  const look = await made.open('/settings');
  const { page } = look;
  await page.addInitScript(`
    const Real = EventSource;
    globalThis.heard = [];
    globalThis.EventSource = class extends Real {
      addEventListener(kind, run) {
        if (kind === 'numbers') globalThis.tell = (data) => run({ data });
        super.addEventListener(kind, (event) => { if (kind === 'numbers') globalThis.heard.push(event.data); run(event); });
      }
    };`);
  await look.go('/endpoints/endpoint-000');
  await page.waitForFunction('globalThis.heard.length > 0', undefined, { timeout: 30_000 });
  const session = await page.context().newCDPSession(page);
  const heap = async (): Promise<number> => {
    await session.send('HeapProfiler.collectGarbage');
    await session.send('HeapProfiler.collectGarbage');
    return (await session.send('Runtime.getHeapUsage')).usedSize / 2 ** 20;
  };
  const tell = (from: number, count: number): Promise<unknown> =>
    page.evaluate(`(async () => {
      const base = JSON.parse(globalThis.heard[0]);
      for (let number = ${from}; number < ${from + count}; number++) {
        const body = structuredClone(base);
        const shift = number * 2;
        body.history.at = body.history.at.map((second) => second + Math.floor(shift / 10) * 10);
        body.history.to = new Date(Date.parse(base.history.to) + shift * 1000).toISOString();
        for (const name of Object.keys(body.history.columns)) body.history.columns[name] = body.history.at.map((_, place) => 40 + 30 * Math.sin(number / 9 + place));
        globalThis.tell(JSON.stringify(body));
        await new Promise((resolve) => requestAnimationFrame(resolve));
      }
    })()`);
  await tell(0, 30);
  const atFirst = await heap();
  await tell(30, hourMessages);
  const afterHour = await heap();
  console.error(`heap ${atFirst.toFixed(1)} MiB, after an hour ${afterHour.toFixed(1)} MiB`);
  return { atFirst: Number(atFirst.toFixed(1)), afterHour: Number(afterHour.toFixed(1)) };
}

function tableOf({ at, machine: { cpu, cores }, openMs, heapMiB }: ConsoleResults): string {
  const rows = Object.entries(openMs).map(([name, ms]) => `| ${name} | ${ms} ms | < 300 ms |`);
  return `${at.slice(0, 10)}, ${cores} cores, ${cpu}, browser and server on the same machine.

| opens, with ${endpoints} endpoints and ${groups * versionsPerGroup} versions | median of ${openings} | wanted |
|---|---|---|
${rows.join('\n')}

An hour of live charts: ${heapMiB.atFirst} MiB of the page's heap after the first minute, ${heapMiB.afterHour} MiB after the hour; 20 MB more are allowed.`;
}
