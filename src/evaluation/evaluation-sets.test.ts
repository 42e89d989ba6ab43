import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import type { Registry } from '../registry/index.ts';
import { FileObjectStore } from '../storage/index.ts';
import { EvaluationSets, type EvaluationSetsOptions } from './evaluation-sets.ts';

const mebibyte = new Uint8Array(2 ** 20);

async function* mebibytes(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield mebibyte;
}

test('a set of more than 256 MiB is refused, with what to do, and leaves nothing', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-sets-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const stored: number[] = [];
  const files = {
    hold: () => ({
      // As the object store of a server, which the limit is handed to.
      store: (source: AsyncIterable<Uint8Array>, bytesMax: number) => new FileObjectStore(directory).put(source, bytesMax),
      localPath: () => join(directory, 'none'),
      release: async () => void stored.push(1),
    }),
  };
  const sets = new EvaluationSets({
    files: files as unknown as Registry['files'],
    clock: new VirtualClock(),
  } as unknown as EvaluationSetsOptions);
  const put = sets.put({ name: 'large', source: mebibytes(257), format: 'csv', label: 'label', metric: 'accuracy' }, 'me');
  await assert.rejects(put, {
    code: 'too_large',
    message: 'the evaluation set is too large: expected at most 256 MiB, got more. Use a sample of its rows',
  });
  assert.deepEqual(stored, [1], 'it is released');
});
