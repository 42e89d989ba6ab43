/**
 * `npm run soak:load-unload [-- --cycles 2000]`: loads and unloads models, several at once, and bounds what a server keeps of it: memory, open
 * files, threads and processes. `load-unload.long.test.ts` counts objects.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { rssMiB } from './hostile-bodies.ts';
import { Server } from './server.ts';

const cycles = Number(process.env['PENSTOCK_CYCLES'] ?? 2000);
/** Parts of all cycles after which is counted. Until the first, caches fill, code is compiled and the heap gets its size. */
const parts = [0.05, 0.25, 0.5, 1];
const models = 4;
/** Counts are those at rest: timers of ended workers hold objects for several seconds. */
const restMs = 15_000;
/** From a quarter of the cycles to their end. */
const grownMiBMax = 64;
const grownFilesMax = 8;

let server: Server;
before(async () => {
  server = await Server.start({ flags: ['--warm-workers', '2'] });
});
after(() => server?.end());

interface Held {
  readonly cycles: number;
  readonly rssMiB: number;
  readonly files: number;
  readonly threads: number;
  /** Workers, and ended ones that were not waited for. */
  readonly children: number;
}

function held(done: number): Held {
  const of = (folder: string): number => readdirSync(`/proc/${server.pid}/${folder}`).length;
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').split(' ').filter(Boolean).length;
  return { cycles: done, rssMiB: Math.round(rssMiB(server)), files: of('fd'), threads: of('task'), children };
}

async function call(path: string, body: unknown = {}): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${server.url}/v2${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  const text = await response.text();
  assert(response.ok, `${path}: ${response.status} ${text}`);
}

const inputs = [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }];

async function cycle(model: string): Promise<void> {
  await call(`/repository/models/${model}/unload`);
  await call(`/repository/models/${model}/load`);
  await call(`/models/${model}/infer`, { inputs });
}

test(`${cycles} cycles of loading and unloading leave what a quarter of them left`, async () => {
  const names = Array.from({ length: models }, (_, i) => `affine${i}`);
  for (const name of names) await server.deploy(name, 'test_affine', { group: 'affine' });
  const counts: Held[] = [];
  let begun = 0;
  const startMs = performance.now();
  for (const part of parts) {
    const until = Math.round(part * cycles);
    const client = async (name: string): Promise<void> => {
      while (begun++ < until) await cycle(name);
    };
    await Promise.all(names.map(client));
    begun = until;
    await sleep(restMs);
    const count = held(until);
    counts.push(count);
    process.stdout.write(`${JSON.stringify(count)} after ${Math.round((performance.now() - startMs) / 1000)} s\n`);
  }
  const [, quarter, , end] = counts as [Held, Held, Held, Held];
  assert(end.rssMiB - quarter.rssMiB <= grownMiBMax, `the server grew by ${end.rssMiB - quarter.rssMiB} MiB`);
  assert(end.files - quarter.files <= grownFilesMax, `${end.files - quarter.files} more files are open`);
  assert(end.children <= quarter.children, `${end.children - quarter.children} more child processes`);
});
