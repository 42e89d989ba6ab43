/** Damaged and renamed files of Python models: each is recognised, passed on or rejected with a reason, within bounds. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { SystemClock } from '../../src/clock.ts';
import { PlatformError } from '../../src/errors.ts';
import { type RecognisedModel, recogniseModel } from '../../src/python-files/index.ts';
import { ThreadPool } from '../../src/threads/index.ts';
import { fuzz } from './campaign.ts';

const vectors = join(import.meta.dirname, '../models/python');
const names = readdirSync(join(vectors, 'files'));
const contents = new Map(names.map((name) => [name, readFileSync(join(vectors, 'files', name))]));
for (const name of ['columns/MLmodel', 'own/MLmodel', 'own/python_model.pkl'])
  contents.set(name.replace('/', '-'), readFileSync(join(vectors, 'mlflow', name)));
const endings = ['.joblib', '.pkl', '.json', '.ubj', '.txt', '.py', '.pt', '.skops', ''];
const msMax = 60_000;
const refusals = ['invalid_request', 'unsupported', 'too_large'];

const threads = new ThreadPool({ clock: new SystemClock(), threadsMax: 2, heapMaxMiB: 256 });
const folder = mkdtempSync(join(tmpdir(), 'penstock-fuzz-python-'));
after(async () => {
  await threads.close();
  await rm(folder, { recursive: true });
});

let count = 0;

interface FuzzedFile {
  readonly name: string;
  readonly bytes: Buffer;
}

async function check({ name, bytes }: FuzzedFile): Promise<void> {
  const path = join(folder, `${count++}`);
  const startMs = performance.now();
  await writeFile(path, bytes);
  try {
    checkModel(await recogniseModel(path, { limits: { bytesMax: 16 * 2 ** 20, opcodesMax: 1_000_000 }, threads, name }));
  } catch (error) {
    assert(error instanceof PlatformError && refusals.includes(error.code), `${String(error)} ${(error as Error).stack}`);
    assert(error.message.length >= 15 && error.message.length < 3000, error.message);
    assert(!error.message.includes(folder), error.message);
  } finally {
    await rm(path);
  }
  const ms = performance.now() - startMs;
  assert(ms < msMax, `took ${Math.round(ms)} ms`);
}

function checkModel(model: RecognisedModel | null): void {
  if (model === null) return;
  for (const text of [...model.notes, ...(model.imports?.all ?? []), ...(model.imports?.outside ?? [])]) {
    assert(text.length <= 300, text);
    assert.doesNotMatch(text, /\p{Cc}/u);
  }
  assert((model.inputs ?? []).every(({ shape }) => shape.every((size) => Number.isSafeInteger(size) && size >= -1)));
}

describe('a file of a Python model', () => {
  test('with damage', async () => {
    await fuzz<FuzzedFile>({
      name: 'damaged Python model',
      cases: 600,
      concurrency: 2,
      generate: (random) => {
        const name = random.pick([...contents.keys()]);
        return { name, bytes: random.mutate(contents.get(name) as Buffer) };
      },
      check,
      show: ({ name, bytes }) => `${name} ${bytes.toString('base64')}`,
    });
  });

  test('cut off anywhere', async () => {
    await fuzz<FuzzedFile>({
      name: 'truncated Python model',
      cases: 300,
      concurrency: 2,
      generate: (random) => {
        const name = random.pick([...contents.keys()]);
        const whole = contents.get(name) as Buffer;
        return { name, bytes: whole.subarray(0, random.int(0, whole.length - 1)) };
      },
      check,
    });
  });

  test('with another name', async () => {
    await fuzz<FuzzedFile>({
      name: 'renamed Python model',
      cases: 200,
      concurrency: 2,
      generate: (random) => ({
        name: `model${random.pick(endings)}`,
        bytes: random.chance(0.8) ? (contents.get(random.pick([...contents.keys()])) as Buffer) : Buffer.from(random.text()),
      }),
      check,
    });
  });
});
