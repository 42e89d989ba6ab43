/**
 * Repeated loading and unloading of a model leaks nothing. The test counts objects by kind, which is exact, unlike the process's
 * memory, which `npm run soak:load-unload` bounds over 2,000 cycles.
 */
import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { loadConfig } from '../../src/config.ts';
import { type Platform, startPlatform } from '../../src/platform.ts';
import { modelPath } from '../models/index.ts';
import { until } from './poll.ts';
import { temporaryDirectory } from './server.ts';

/** Cycles until caches are full and code is compiled. */
const warmUp = 20;
/** Cycles per round. A kind leaks if it grows in both rounds: objects created once, such as a lazily loaded module, are not a leak. */
const cycles = 30;
/** Fewer than one object per cycle is not a leak. */
const growthMax = 0.8 * cycles;
/** Timers of ended workers hold objects for several seconds, so the minimum of this many samples counts. */
const samples = 2;
const samplePauseMs = 500;

/** Without arrays: metric series add and drop them over time. */
const kinds = { Promise, Map, Set, Function, Uint8Array, Error } as const;
type Counts = Readonly<Record<keyof typeof kinds, number>>;

const directory = temporaryDirectory();
let platform: Platform;

before(async () => {
  // Excludes the resource timings of this file's own calls.
  performance.setResourceTimingBufferSize(0);
  const flags = { dataDir: directory, port: '0', grpcPort: '0', logLevel: 'silent', warmWorkers: '1' };
  const catalogueDirectory = join(import.meta.dirname, '../../assets/catalogue');
  const product = { version: '0', catalogueDirectory, consoleDirectory: directory };
  platform = await startPlatform(loadConfig({ flags, env: {} }), product);
});
after(async () => {
  await platform.close();
  rmSync(directory, { recursive: true });
});

async function call<Body>(method: string, path: string, body: unknown = {}): Promise<Body> {
  const isFile = body instanceof Uint8Array;
  const response = await fetch(platform.url + path, {
    method,
    headers: { 'content-type': isFile ? 'application/octet-stream' : 'application/json' },
    ...(method === 'GET' ? {} : { body: isFile ? new Uint8Array(body) : JSON.stringify(body) }),
  });
  const text = await response.text();
  assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return (text === '' ? null : JSON.parse(text)) as Body;
}

async function cycle(): Promise<void> {
  await call('POST', '/v2/repository/models/affine/unload');
  await call('POST', '/v2/repository/models/affine/load');
  const inputs = [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }];
  await call('POST', '/v2/models/affine/infer', { inputs });
}

/** The objects of each kind after a garbage collection, which `queryObjects` runs. */
async function count(): Promise<Counts> {
  const least = Object.fromEntries(Object.keys(kinds).map((name) => [name, Number.POSITIVE_INFINITY])) as Record<keyof Counts, number>;
  for (let sample = 0; sample < samples; sample++) {
    await sleep(samplePauseMs);
    for (const name of Object.keys(kinds) as (keyof Counts)[]) {
      least[name] = Math.min(least[name], queryObjects(kinds[name], { format: 'count' }));
    }
  }
  return least;
}

test('repeated loading and unloading of a model leaks nothing', { timeout: 240_000 }, async () => {
  const file = readFileSync(modelPath('test_affine'));
  const { version } = await call<{ version: { name: string; version: number } }>(
    'POST',
    '/api/v1/groups/affine/versions?name=m.onnx',
    file,
  );
  await call('POST', `/api/v1/groups/affine/versions/${version.version}/approval`, { approval: 'Approved' });
  await call('POST', '/api/v1/endpoints', { name: 'affine', variants: [{ model: version.name }] });
  await until(
    'the endpoint serves',
    async () => (await call<{ status: string }>('GET', '/api/v1/endpoints/affine')).status === 'InService',
  );
  for (let i = 0; i < warmUp; i++) await cycle();
  const counts = [await count()];
  for (let time = 0; time < 2; time++) {
    for (let i = 0; i < cycles; i++) await cycle();
    counts.push(await count());
  }
  const [first, second, third] = counts as [Counts, Counts, Counts];
  const names = Object.keys(kinds) as (keyof Counts)[];
  const leaked = names.filter((name) => Math.min(second[name] - first[name], third[name] - second[name]) > growthMax);
  assert.deepEqual(leaked, [], `counts by kind after 0, ${cycles} and ${2 * cycles} cycles: ${JSON.stringify(counts)}`);
});
