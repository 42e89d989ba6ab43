import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { FileOutput } from './file-places.ts';
import { type Checkpoint, Halted, type ResultPiece } from './transform-places.ts';

test('a directory of results is made with those above it, and one that cannot be made is refused at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-places-'));
  try {
    const path = join(folder, 'a/b/c');
    await new FileOutput(path, new VirtualClock()).check();
    await new FileOutput(path, new VirtualClock()).check();
    assert((await stat(path)).isDirectory());
    // Node's own recursive form never ends there.
    await assert.rejects(new FileOutput('/proc/penstock/results', new VirtualClock()).check(), { code: 'invalid_request' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** A piece of 3 MiB and how far it brings the object; the memory is used again for the next, as of a transform. */
async function* pieces(count: number, from = 0, end: () => void = () => undefined): AsyncGenerator<ResultPiece> {
  const output = Buffer.alloc(pieceBytes);
  for (let at = from; at < count; at++) {
    output.fill(at);
    yield { output, records: 10, skipped: 1, position: { offset: 100 * (at + 1), lines: 11 * (at + 1) } };
  }
  end();
}

const pieceBytes = 3 * 2 ** 20;
const whole = (count: number): Buffer => Buffer.concat(Array.from({ length: count }, (_, at) => Buffer.alloc(pieceBytes, at)));

async function written(
  use: (house: { readonly output: FileOutput; readonly folder: string; readonly kept: Checkpoint[] }) => Promise<void>,
) {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-places-'));
  try {
    await use({ output: new FileOutput(folder, new VirtualClock()), folder, kept: [] });
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a stop keeps how far it came to the last piece, and who goes on from there writes the whole', async () => {
  await written(async ({ output, folder, kept }) => {
    const options = {
      contentType: 'text/csv',
      identity: 'a',
      beside: async () => undefined,
      keep: async (each: Checkpoint) => void kept.push(each),
    };
    const stop = (): never => {
      throw new Halted('stopped');
    };
    await assert.rejects(output.write('rows.csv', pieces(5, 0, stop), { ...options, from: null }), Halted);
    const last = kept.at(-1) as Checkpoint;
    assert.deepEqual(last, { identity: 'a', position: { offset: 500, lines: 55 }, outputBytes: 5 * pieceBytes, records: 50, skipped: 5 });
    assert(
      kept.some(({ outputBytes }) => outputBytes < last.outputBytes),
      'there was one on the way',
    );
    assert(await output.holds('rows.csv', last));
    await output.write('rows.csv', pieces(7, 5), { ...options, from: last });
    assert.equal(Buffer.compare(await readFile(join(folder, 'rows.csv.out')), whole(7)), 0);
  });
});

test('what is written next does not wait for a checkpoint, the end does, and one that fails fails the object', async () => {
  await written(async ({ output, folder, kept }) => {
    const { promise: held, resolve } = Promise.withResolvers<void>();
    const options = { contentType: 'text/csv', identity: 'a', from: null };
    const order: string[] = [];
    const keep = async (each: Checkpoint): Promise<void> => {
      await held;
      order.push('kept');
      kept.push(each);
    };
    const all = pieces(9, 0, () => {
      order.push('read');
      resolve();
    });
    await output.write('rows.csv', all, { ...options, keep, beside: async () => void order.push('done') });
    assert.deepEqual([order, kept.map(({ records }) => records)], [['read', 'kept', 'done'], [30]]);
    assert.equal(Buffer.compare(await readFile(join(folder, 'rows.csv.out')), whole(9)), 0);
    const failing = async (): Promise<never> => {
      throw new Error('the disk is full');
    };
    await assert.rejects(output.write('b.csv', pieces(9), { ...options, keep: failing, beside: failing }), /the disk is full/);
    await assert.rejects(stat(join(folder, 'b.csv.out')), { code: 'ENOENT' });
  });
});
