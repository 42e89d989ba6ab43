import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { csvFloats, predictionsCsvBytes } from '../../codecs/index.ts';
import { bytesOf, type Tensor } from '../../tensor.ts';
import { CsvBeside } from './csv-beside.ts';

const rows = 4000;
const width = 8;
const text = Buffer.from(Array.from({ length: rows }, (_, row) => `${row},-1.5,0,2.25,3,4,5,${row / 8}\n`).join(''));
const outputs: readonly Tensor[] = [
  { name: 'label', datatype: 'INT64', shape: [rows], data: bytesOf(BigInt64Array.from({ length: rows }, (_, row) => BigInt(row))) },
  { name: 'p', datatype: 'FP32', shape: [rows, 3], data: bytesOf(Float32Array.from({ length: 3 * rows }, (_, at) => 1 / (at + 3))) },
];

test('blocks of every size are read and written as they are without it, however many at once', async () => {
  const csv = new CsvBeside();
  after(() => csv.close());
  const values = csvFloats(text, width, rows);
  const lines = predictionsCsvBytes(outputs, rows);
  const answers = await Promise.all([0, 1, 2].map(() => Promise.all([csv.read(text, width, rows), csv.write(outputs, rows)])));
  for (const answer of answers) assert.deepEqual(answer, [values, lines]);
  assert.equal(lines.toString().split('\n').length, rows + 1, 'what was handed over is still there');
  const first = text.subarray(0, text.indexOf('\n') + 1);
  assert.deepEqual(await csv.read(first, width, 1), csvFloats(first, width, 1));
  assert.equal(await csv.read(Buffer.concat([text, Buffer.from('1,2,x\n')]), width, rows + 1), null);
});

test('who waits for a thread that ends, or asks it later, is told', async () => {
  const csv = new CsvBeside({ threadUrl: new URL('data:text/javascript,process.exit(3)') });
  after(() => csv.close());
  for (const asked of [csv.read(text, width, rows), csv.write(outputs, rows)]) {
    await assert.rejects(asked, { code: 'unavailable', message: /the thread .* ended: exit code 3/ });
  }
  await assert.rejects(csv.read(text, width, rows), { code: 'unavailable' });
});

test('who closes it lets nobody wait', async () => {
  const csv = new CsvBeside();
  const asked = assert.rejects(csv.read(text, width, rows), { code: 'unavailable', message: /over/ });
  await csv.close();
  await asked;
});
