import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { csvFloats, predictionsCsvBytes } from '../../../codecs/index.ts';
import { bytesOf, encodeStrings, type Tensor } from '../../../tensor.ts';
import { CsvThreads } from './csv-threads.ts';

const rows = 4000;
const width = 8;
const text = linesOf(rows, 0.25);
const outputs: readonly Tensor[] = [
  { name: 'label', datatype: 'INT64', shape: [rows], data: bytesOf(BigInt64Array.from({ length: rows }, (_, row) => BigInt(row))) },
  { name: 'p', datatype: 'FP32', shape: [rows, 3], data: bytesOf(Float32Array.from({ length: 3 * rows }, (_, at) => 1 / (at + 3))) },
];

function linesOf(count: number, last: number): Buffer {
  return Buffer.from(Array.from({ length: count }, (_, row) => `${row},-1.5,0,2.25,3,4,5,${row * last}\n`).join(''));
}

for (const threadsMax of [1, 3]) {
  test(`parses and formats concurrent blocks of every size like the synchronous code, with at most ${threadsMax} threads`, async () => {
    const csv = new CsvThreads({ threadsMax });
    after(() => csv.close());
    const requested = [0.5, 0.25, 0.75, 0.125].map(async (last) => {
      const block = linesOf(rows, last);
      const queue = csv.openQueue();
      assert.deepEqual(await queue.read(block, width, rows), csvFloats(block, width, rows));
      assert.deepEqual(await queue.write(outputs, rows), predictionsCsvBytes(outputs, rows));
    });
    await Promise.all(requested);
    const extraQueue = csv.openQueue();
    const first = text.subarray(0, text.indexOf('\n') + 1);
    assert.deepEqual(await extraQueue.read(first, width, 1), csvFloats(first, width, 1));
    assert.equal(await extraQueue.read(Buffer.concat([text, Buffer.from('1,2,x\n')]), width, rows + 1), null);
  });
}

test('keeps the data of a queue until it is cleared, then reuses the queue', async () => {
  const csv = new CsvThreads({ threadsMax: 2 });
  after(() => csv.close());
  const [one, other] = [csv.openQueue(), csv.openQueue()];
  const block = Buffer.from(text);
  const reading = one.read(block, width, rows);
  block.fill('9'); // the caller may reuse its buffer
  const values = await reading;
  await other.read(linesOf(rows, 0.5), width, rows);
  assert.deepEqual(values, csvFloats(text, width, rows));
  one.clear();
  assert.equal(csv.openQueue(), one);
});

test('formats text outputs like the synchronous code', async () => {
  const csv = new CsvThreads({ threadsMax: 1 });
  after(() => csv.close());
  const words = Array.from({ length: rows }, (_, row) => `wörd, ${row} of "many"`);
  const texts: readonly Tensor[] = [{ name: 't', datatype: 'BYTES', shape: [rows], data: encodeStrings(words) }];
  assert.deepEqual(Buffer.compare(await csv.openQueue().write(texts, rows), predictionsCsvBytes(texts, rows)), 0);
});

test('rejects pending and later requests after a thread has ended', async () => {
  const csv = new CsvThreads({ threadsMax: 2, threadUrl: new URL('data:text/javascript,process.exit(3)') });
  after(() => csv.close());
  for (const requested of [csv.openQueue().read(text, width, rows), csv.openQueue().write(outputs, rows)]) {
    await assert.rejects(requested, { code: 'unavailable', message: /a CSV thread ended: exit code 3/ });
  }
  await assert.rejects(csv.openQueue().read(text, width, rows), { code: 'unavailable' });
});

test('rejects pending requests on close', async () => {
  const csv = new CsvThreads({ threadsMax: 1 });
  const requested = assert.rejects(csv.openQueue().read(text, width, rows), { code: 'unavailable', message: /has ended/ });
  await csv.close();
  await requested;
});
