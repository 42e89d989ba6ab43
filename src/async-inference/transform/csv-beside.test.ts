import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { csvFloats, predictionsCsvBytes } from '../../codecs/index.ts';
import { bytesOf, encodeStrings, type Tensor } from '../../tensor.ts';
import { CsvBeside } from './csv-beside.ts';

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
  test(`blocks of every size are read and written as they are without it, however many at once, in at most ${threadsMax} threads`, async () => {
    const csv = new CsvBeside({ threadsMax });
    after(() => csv.close());
    const asked = [0.5, 0.25, 0.75, 0.125].map(async (last) => {
      const block = linesOf(rows, last);
      const desk = csv.desk();
      assert.deepEqual(await desk.read(block, width, rows), csvFloats(block, width, rows));
      assert.deepEqual(await desk.write(outputs, rows), predictionsCsvBytes(outputs, rows));
    });
    await Promise.all(asked);
    const desk = csv.desk();
    const first = text.subarray(0, text.indexOf('\n') + 1);
    assert.deepEqual(await desk.read(first, width, 1), csvFloats(first, width, 1));
    assert.equal(await desk.read(Buffer.concat([text, Buffer.from('1,2,x\n')]), width, rows + 1), null);
  });
}

test('what lies on a desk stays until it is cleared, and then makes room for the next', async () => {
  const csv = new CsvBeside({ threadsMax: 2 });
  after(() => csv.close());
  const [one, other] = [csv.desk(), csv.desk()];
  const block = Buffer.from(text);
  const reading = one.read(block, width, rows);
  block.fill('9'); // whoever gave it may use it for something else
  const values = await reading;
  await other.read(linesOf(rows, 0.5), width, rows);
  assert.deepEqual(values, csvFloats(text, width, rows));
  one.clear();
  assert.equal(csv.desk(), one);
});

test('text among the outputs is written as without it', async () => {
  const csv = new CsvBeside({ threadsMax: 1 });
  after(() => csv.close());
  const words = Array.from({ length: rows }, (_, row) => `wörd, ${row} of "many"`);
  const texts: readonly Tensor[] = [{ name: 't', datatype: 'BYTES', shape: [rows], data: encodeStrings(words) }];
  assert.deepEqual(Buffer.compare(await csv.desk().write(texts, rows), predictionsCsvBytes(texts, rows)), 0);
});

test('who waits for a thread that ends, or asks it later, is told', async () => {
  const csv = new CsvBeside({ threadsMax: 2, threadUrl: new URL('data:text/javascript,process.exit(3)') });
  after(() => csv.close());
  for (const asked of [csv.desk().read(text, width, rows), csv.desk().write(outputs, rows)]) {
    await assert.rejects(asked, { code: 'unavailable', message: /a thread .* ended: exit code 3/ });
  }
  await assert.rejects(csv.desk().read(text, width, rows), { code: 'unavailable' });
});

test('who closes it lets nobody wait', async () => {
  const csv = new CsvBeside({ threadsMax: 1 });
  const asked = assert.rejects(csv.desk().read(text, width, rows), { code: 'unavailable', message: /over/ });
  await csv.close();
  await asked;
});
