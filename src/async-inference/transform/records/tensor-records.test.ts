import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { SystemClock } from '../../../clock.ts';
import { bytesOf, type Signature, type TensorSpec } from '../../../tensor.ts';
import { ThreadPool, type Threads } from '../../../threads/index.ts';
import type { ObjectForm } from '../transform-job.ts';
import { CsvThreads } from './csv-threads.ts';
import { RecordFilters } from './record-filters.ts';
import { TensorRecords } from './tensor-records.ts';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
};
const pool = new ThreadPool({ clock: new SystemClock(), threadsMax: 1 });
after(() => pool.close());
const tasks: string[] = [];
const threads: Threads = {
  run: (task, input, options) => {
    tasks.push(task.name);
    return pool.run(task, input, options);
  },
};
const csv: ObjectForm = { format: 'csv', contentType: 'text/csv', isGzip: false, isSplit: true, result: 'csv', resultType: 'text/csv' };

/** Runs a whole object through a model that returns the first of its three inputs. */
async function transformed(
  text: string,
  order: Partial<ConstructorParameters<typeof RecordFilters>[0]>,
  form = csv,
  columns?: readonly string[],
) {
  const filters = new RecordFilters({ inputFilter: '$', outputFilter: '$', joins: false, ...order });
  const records = new TensorRecords({
    signature: columns === undefined ? signature : { ...signature, inputs: [{ ...(signature.inputs[0] as TensorSpec), columns }] },
    form,
    filters,
    policy: 'skip',
    csv: new CsvThreads({ threadsMax: 1 }),
    threads,
    rowsMax: 100,
    run: async ({ inputs: [input], rows }) => {
      const { data } = input as typeof input & object;
      const values = new Float32Array(data.buffer, data.byteOffset, data.length / 4);
      const firsts = Float32Array.from({ length: rows }, (_, row) => values[3 * row] as number);
      return [{ name: 'y', datatype: 'FP32', shape: [rows, 1], data: bytesOf(firsts) }];
    },
  });
  const { output, bad } = await records.whole(Buffer.from(text));
  return { output: output.toString(), reported: bad.map(({ line, why }) => `${line}: ${why}`) };
}

for (const { what, order, text, output, reported } of [
  {
    what: 'a non-numeric cell after ignored columns',
    order: { ignored: ['label'], kept: ['id'] },
    text: 'id,label,a,b,c\nr1,cat,1,2,3\nr2,dog,4,x,6\n',
    output: 'r1,1\n',
    reported: [/^3: column 4 \(b\): 'x' is not a number/],
  },
  {
    what: 'the same without a header',
    order: { ignored: ['0', '-1'] },
    text: 'r1,1,2,3,7\nr2,4,5,x,7\n',
    output: '1\n',
    reported: [/^2: column 4: 'x' is not a number/],
  },
  {
    what: 'the same after a filter',
    order: { inputFilter: '$[4,2,0]' },
    text: 'a,b,c,d,e\n1,2,3,4,5\n1,2,x,4,5\n',
    output: '5\n',
    reported: [/^3: column 3 \(c\): 'x' is not a number/],
  },
  {
    what: 'too many or too few columns with a header',
    order: { ignored: ['label'] },
    text: 'a,b,c,label\n1,2,3,7\n1,2,3,7,8\n1,2,7\n',
    output: '1\n',
    reported: [/^3: it has 5 columns, the first line has 4$/, /^4: it has 3 columns, the first line has 4$/],
  },
  {
    what: 'too many columns with a filter',
    order: { inputFilter: '$[1:]' },
    text: 'id,a,b,c\n1,2,3,4\n1,2,3,4,5\n',
    output: '2\n',
    reported: [/^3: it has 5 columns, the first line has 4$/],
  },
] as const) {
  test(`reports ${what} by its position in the file`, async () => {
    const result = await transformed(text, order);
    assert.equal(result.output, output);
    assert.equal(result.reported.length, reported.length, String(result.reported));
    for (const [index, each] of reported.entries()) assert.match(result.reported[index] as string, each);
  });
}

test('hides ignored members of each instance of a JSON body', async () => {
  const json: ObjectForm = { ...csv, format: 'json', contentType: 'application/json' };
  const rows = [1, 2].map((id) => ({ id, x: [10 * id, 0, 0] }));
  assert.equal((await transformed(JSON.stringify({ instances: rows }), { ignored: ['id'] }, json)).output, '10\n20\n');
  assert.equal((await transformed('[[7,1,0,0],[7,2,0,0]]', { ignored: ['0'] }, json)).output, '1\n2\n');
});

test('a header that does not match the inputs fails the object, even if bad records are skipped', () => {
  const inputs = ['age', 'fare'].map((name) => ({ name, datatype: 'FP32' as const, shape: [-1, 1] }));
  const recordsOf = (order: Partial<ConstructorParameters<typeof RecordFilters>[0]>) =>
    new TensorRecords({
      signature: { ...signature, inputs },
      form: csv,
      filters: new RecordFilters({ inputFilter: '$', outputFilter: '$', joins: false, ...order }),
      policy: 'skip',
      csv: new CsvThreads({ threadsMax: 1 }),
      threads,
      rowsMax: 100,
      run: async () => [],
    });
  assert.throws(() => recordsOf({}).begin('fare,ageX'), { name: 'UnreadableObject', message: /missing: age; not known: ageX/ });
  assert.equal(recordsOf({}).begin('Fare, age'), true);
  assert.equal(recordsOf({ ignored: ['label'] }).begin('fare,Label ,Age'), true);
  assert.equal(recordsOf({}).begin('1,2'), false);
});

test('finds the columns of a single input by their names', async () => {
  const columns = ['age', 'fare', 'sex'];
  assert.deepEqual(await transformed('sex,age,fare\n1,30,7\n0,40,9\n', {}, csv, columns), { output: '30\n40\n', reported: [] });
  assert.deepEqual(await transformed('age,fare,sex\n30,7,1\n40,9,0\n', {}, csv, columns), { output: '30\n40\n', reported: [] });
  assert.deepEqual(await transformed('30,7,1\n40,9,0\n', {}, csv, columns), { output: '30\n40\n', reported: [] });
  await assert.rejects(transformed('sex,age\n1,30\n', {}, csv, columns), /missing: fare/);
});

for (const { what, form, text, order, output } of [
  {
    what: 'a record of JSON',
    form: 'jsonl',
    text: (id: string) => `{"id":"${id}","x":[1,2,3]}\n`,
    order: { inputFilter: '$.x' },
    output: '[1]\n',
  },
  {
    what: 'a body of JSON',
    form: 'json',
    text: (id: string) => `{"id":"${id}","x":{"instances":[[1,2,3]]}}`,
    order: { inputFilter: '$.x' },
    output: '{"predictions":[[1]]}',
  },
  { what: 'a record of CSV', form: 'csv', text: (id: string) => `${id},1,2,3\n`, order: { inputFilter: '$[1:]' }, output: '1\n' },
] as const) {
  test(`converts ${what} off the event loop if it is large, with the same result`, async () => {
    const shape = { ...csv, format: form, result: form === 'csv' ? 'csv' : form } as ObjectForm;
    tasks.length = 0;
    assert.equal((await transformed(text('a'), order, shape)).output, output);
    assert.deepEqual(tasks, []);
    assert.equal((await transformed(text('a'.repeat(100_000)), order, shape)).output, output);
    assert.equal(tasks[0], 'decodeRecordsTask');
  });
}
