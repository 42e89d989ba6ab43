import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, type Signature } from '../../tensor.ts';
import { CsvBeside } from './csv-beside.ts';
import { RecordFilters } from './record-filters.ts';
import { TensorRecords } from './tensor-records.ts';
import type { ObjectForm } from './transform-job.ts';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
};
const csv: ObjectForm = { format: 'csv', contentType: 'text/csv', isGzip: false, isSplit: true, result: 'csv', resultType: 'text/csv' };

/** A whole object through a model that answers with the first of its three numbers. */
async function transformed(text: string, order: Partial<ConstructorParameters<typeof RecordFilters>[0]>, form = csv) {
  const filters = new RecordFilters({ inputFilter: '$', outputFilter: '$', joins: false, ...order });
  const records = new TensorRecords({
    signature,
    form,
    filters,
    policy: 'skip',
    csv: new CsvBeside({ threadsMax: 1 }),
    rowsMax: 100,
    run: async ({ inputs: [input], rows }) => {
      const { data } = input as typeof input & object;
      const values = new Float32Array(data.buffer, data.byteOffset, data.length / 4);
      const firsts = Float32Array.from({ length: rows }, (_, row) => values[3 * row] as number);
      return [{ name: 'y', datatype: 'FP32', shape: [rows, 1], data: bytesOf(firsts) }];
    },
  });
  const { output, bad } = await records.whole(Buffer.from(text));
  return { output: output.toString(), told: bad.map(({ line, why }) => `${line}: ${why}`) };
}

for (const { what, order, text, output, told } of [
  {
    what: 'a cell that is no number, behind columns that are ignored',
    order: { ignored: ['label'], kept: ['id'] },
    text: 'id,label,a,b,c\nr1,cat,1,2,3\nr2,dog,4,x,6\n',
    output: 'r1,1\n',
    told: [/^3: column 4 \(b\): 'x' is not a number/],
  },
  {
    what: 'the same without a header',
    order: { ignored: ['0', '-1'] },
    text: 'r1,1,2,3,7\nr2,4,5,x,7\n',
    output: '1\n',
    told: [/^2: column 4: 'x' is not a number/],
  },
  {
    what: 'the same behind a filter',
    order: { inputFilter: '$[4,2,0]' },
    text: 'a,b,c,d,e\n1,2,3,4,5\n1,2,x,4,5\n',
    output: '5\n',
    told: [/^3: column 3 \(c\): 'x' is not a number/],
  },
  {
    what: 'columns too many or too few under names',
    order: { ignored: ['label'] },
    text: 'a,b,c,label\n1,2,3,7\n1,2,3,7,8\n1,2,7\n',
    output: '1\n',
    told: [/^3: it has 5 columns, the first line has 4$/, /^4: it has 3 columns, the first line has 4$/],
  },
  {
    what: 'columns too many under a filter',
    order: { inputFilter: '$[1:]' },
    text: 'id,a,b,c\n1,2,3,4\n1,2,3,4,5\n',
    output: '2\n',
    told: [/^3: it has 5 columns, the first line has 4$/],
  },
] as const) {
  test(`tells ${what} by its place in the file`, async () => {
    const result = await transformed(text, order);
    assert.equal(result.output, output);
    assert.equal(result.told.length, told.length, String(result.told));
    for (const [index, each] of told.entries()) assert.match(result.told[index] as string, each);
  });
}

test('what is ignored of a JSON body is left out of each of its instances', async () => {
  const json: ObjectForm = { ...csv, format: 'json', contentType: 'application/json' };
  const rows = [1, 2].map((id) => ({ id, x: [10 * id, 0, 0] }));
  assert.equal((await transformed(JSON.stringify({ instances: rows }), { ignored: ['id'] }, json)).output, '10\n20\n');
  assert.equal((await transformed('[[7,1,0,0],[7,2,0,0]]', { ignored: ['0'] }, json)).output, '1\n2\n');
});

test('a header that does not say which column is for which input spoils its object, also where bad records are left out', () => {
  const inputs = ['age', 'fare'].map((name) => ({ name, datatype: 'FP32' as const, shape: [-1, 1] }));
  const recordsOf = (order: Partial<ConstructorParameters<typeof RecordFilters>[0]>) =>
    new TensorRecords({
      signature: { ...signature, inputs },
      form: csv,
      filters: new RecordFilters({ inputFilter: '$', outputFilter: '$', joins: false, ...order }),
      policy: 'skip',
      csv: new CsvBeside({ threadsMax: 1 }),
      rowsMax: 100,
      run: async () => [],
    });
  assert.throws(() => recordsOf({}).begin('fare,ageX'), { name: 'ObjectSpoilt', message: /missing: age; not known: ageX/ });
  assert.equal(recordsOf({}).begin('Fare, age'), true);
  assert.equal(recordsOf({ ignored: ['label'] }).begin('fare,Label ,Age'), true);
  assert.equal(recordsOf({}).begin('1,2'), false);
});
