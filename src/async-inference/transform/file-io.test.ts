import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { FileOutput } from './file-io.ts';
import { type Checkpoint, type ResultPiece, TransformHalted } from './transform-io.ts';

test('creates the directory of the results with its parents, and rejects one that cannot be created', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-places-'));
  try {
    const path = join(folder, 'a/b/c');
    await new FileOutput(path, new VirtualClock()).check();
    await new FileOutput(path, new VirtualClock()).check();
    assert((await stat(path)).isDirectory());
    // Node's recursive mkdir never returns for such a path.
    await assert.rejects(new FileOutput('/proc/penstock/results', new VirtualClock()).check(), { code: 'invalid_request' });
  } finally {
    await rm(folder, { recursive: true });
  }
});

/** Pieces of 3 MiB with their positions; their memory is reused for the next piece, as in a transform. */
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
  use: (fixture: { readonly output: FileOutput; readonly folder: string; readonly checkpoints: Checkpoint[] }) => Promise<void>,
) {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-places-'));
  try {
    await use({ output: new FileOutput(folder, new VirtualClock()), folder, checkpoints: [] });
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a stop stores a checkpoint at the last piece, and a resumed write completes the file', async () => {
  await written(async ({ output, folder, checkpoints }) => {
    const options = {
      contentType: 'text/csv',
      identity: 'a',
      transactionHook: async () => undefined,
      checkpoint: async (each: Checkpoint) => void checkpoints.push(each),
    };
    const stop = (): never => {
      throw new TransformHalted('stopped');
    };
    await assert.rejects(output.write('rows.csv', pieces(5, 0, stop), { ...options, from: null }), TransformHalted);
    const last = checkpoints.at(-1) as Checkpoint;
    assert.deepEqual(last, { identity: 'a', position: { offset: 500, lines: 55 }, outputBytes: 5 * pieceBytes, records: 50, skipped: 5 });
    assert(
      checkpoints.some(({ outputBytes }) => outputBytes < last.outputBytes),
      'there was an earlier checkpoint',
    );
    assert(await output.holds('rows.csv', last));
    await output.write('rows.csv', pieces(7, 5), { ...options, from: last });
    assert.equal(Buffer.compare(await readFile(join(folder, 'rows.csv.out')), whole(7)), 0);
  });
});

test('writes do not wait for a checkpoint, the end does, and a failed checkpoint fails the object', async () => {
  await written(async ({ output, folder, checkpoints }) => {
    const { promise: held, resolve } = Promise.withResolvers<void>();
    const options = { contentType: 'text/csv', identity: 'a', from: null };
    const order: string[] = [];
    const checkpoint = async (each: Checkpoint): Promise<void> => {
      await held;
      order.push('stored');
      checkpoints.push(each);
    };
    const all = pieces(9, 0, () => {
      order.push('read');
      resolve();
    });
    await output.write('rows.csv', all, { ...options, checkpoint, transactionHook: async () => void order.push('done') });
    assert.deepEqual([order, checkpoints.map(({ records }) => records)], [['read', 'stored', 'done'], [30]]);
    assert.equal(Buffer.compare(await readFile(join(folder, 'rows.csv.out')), whole(9)), 0);
    const failing = async (): Promise<never> => {
      throw new Error('the disk is full');
    };
    await assert.rejects(
      output.write('b.csv', pieces(9), { ...options, checkpoint: failing, transactionHook: failing }),
      /the disk is full/,
    );
    await assert.rejects(stat(join(folder, 'b.csv.out')), { code: 'ENOENT' });
  });
});
