import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Datatype, Signature } from '../../tensor.ts';
import { decodeCsv } from './csv.ts';
import { parseCsv } from './csv-lines.ts';
import { unpackElements } from './elements.ts';

const model = (datatype: Datatype, ...shape: number[]): Signature => ({ inputs: [{ name: 'x', datatype, shape }], outputs: [] });
const values = (signature: Signature, text: string, label?: string): unknown => {
  const [invocation, ...others] = decodeCsv(signature, text, label === undefined ? {} : { label });
  assert(invocation !== undefined && others.length === 0);
  const { inputs, rows } = invocation;
  const [input] = inputs;
  assert(input !== undefined);
  return { rows, shape: input.shape, values: Array.from(unpackElements(input.datatype, input.data)) };
};

test('any quoted cells round-trip', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' ', 'ü') });
  fc.assert(
    fc.property(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 5 }), fc.constantFrom('\n', '\r\n'), (lines, end) => {
      const text = lines.map((cells) => cells.map((c) => `"${c.replaceAll('"', '""')}"`).join(',') + end).join('');
      assert.deepEqual(parseCsv(text), lines);
    }),
  );
});

for (const { what, text, lines } of [
  { what: 'nothing', text: '', lines: [] },
  {
    what: 'a last line without an end',
    text: '1,2\n3,4',
    lines: [
      ['1', '2'],
      ['3', '4'],
    ],
  },
  {
    what: 'empty cells',
    text: ',a,\n,,',
    lines: [
      ['', 'a', ''],
      ['', '', ''],
    ],
  },
  { what: 'blank lines', text: '\n1\n\r\n2\r\n\r\n', lines: [['1'], ['2']] },
  { what: 'a byte order mark', text: '\ufeffa,b\n', lines: [['a', 'b']] },
  { what: 'quotes with commas, quotes and line breaks', text: '"a,""b""\nc",d\n', lines: [['a,"b"\nc', 'd']] },
]) {
  test(`reads ${what}`, () => assert.deepEqual(parseCsv(text), lines));
}

for (const { what, text, says } of [
  { what: 'a quote that never ends', text: '1\n"a', says: /line 2: a quote is opened/ },
  { what: 'text after a quote', text: '"a"b', says: /follows a closing quote/ },
]) {
  test(`rejects ${what} as a syntax error`, () => assert.throws(() => parseCsv(text), { code: 'invalid_request', message: says }));
}

test('a header and the column of answers are dropped', () => {
  assert.deepEqual(values(model('FP32', -1, 2), 'a,b,label\n1,2,setosa\n3,4,other\n', 'label'), {
    rows: 2,
    shape: [2, 2],
    values: [1, 2, 3, 4],
  });
});

test('a header is not needed', () => {
  assert.deepEqual(values(model('FP32', -1, 2), '1,2\n3,NaN\n'), { rows: 2, shape: [2, 2], values: [1, 2, 3, Number.NaN] });
});

test('rows get the shape of the input', () => {
  assert.deepEqual(values(model('UINT8', -1, 1, 2, 2), '1,2,3,4\n'), { rows: 1, shape: [1, 1, 2, 2], values: [1, 2, 3, 4] });
});

test('whole numbers of 64 bits stay exact', () => {
  assert.deepEqual(values(model('INT64', -1, 2), '9007199254740993,2.0\n'), { rows: 1, shape: [1, 2], values: [9007199254740993n, 2n] });
});

test('text is one row per line, under a header that names the input', () => {
  assert.deepEqual(values(model('BYTES', -1), 'x\n"win, now"\nhello\n'), { rows: 2, shape: [2], values: ['win, now', 'hello'] });
  assert.deepEqual(values(model('BYTES', -1), 'label,text\nspam,win\n', 'label'), { rows: 1, shape: [1], values: ['win'] });
});

for (const { what, text, label, says } of [
  { what: 'no line', text: '\n', says: /empty/ },
  { what: 'only a header', text: 'a,b\n', says: /a header and no rows/ },
  { what: 'lines of different length', text: '1,2\n3\n', says: /line 2 has 1 column, the first line has 2/ },
  { what: 'one column for two', text: '1\n', says: /^the CSV has 1 column and no header, the model takes 2 \(input 'x', FP32 \[-1,2\]\)$/ },
  { what: 'too many columns', text: 'a,b,c\n1,2,3\n', says: /^the CSV has 3 columns, the model takes 2 \(input/ },
  {
    what: 'too few beside the answers',
    text: 'a,y\n1,2\n',
    label: 'y',
    says: /^the CSV has 1 column beside that of answers, the model takes 2/,
  },
  {
    what: 'text for a number',
    text: 'a,b\n1,setosa\n',
    says: /line 2, column 2 \(b\): 'setosa' is not a number; leave out columns that are not inputs/,
  },
  { what: 'a missing value', text: '1,\n', says: /line 1, column 2: '' is not a number; write NaN/ },
  { what: 'an unknown label', text: 'a,b\n1,2\n', label: 'c', says: /no column of the CSV is called 'c', there are a, b/ },
  {
    what: 'an unknown label among many columns',
    text: `${Array.from({ length: 12 }, (_, at) => `c${at}`).join()}\n`.repeat(2),
    label: 'c',
    says: /there are c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, … \(12 in all\)$/,
  },
  { what: 'a label without a header', text: '1,2\n', label: 'c', says: /has no header/ },
]) {
  test(`rejects ${what} with the reason`, () => {
    assert.throws(() => values(model('FP32', -1, 2), text, label), { code: 'invalid_request', message: says });
  });
}

test("suggests how to drop a column of answers, in the terms of the caller's interface", () => {
  const hintOf = (text: string, labelling?: string) => {
    try {
      decodeCsv(model('FP32', -1, 2), text, labelling === undefined ? {} : { labelling });
    } catch (error) {
      return (error as { hint?: string }).hint ?? null;
    }
    return 'nothing was thrown';
  };
  assert.equal(hintOf('a,b,answer\n1,2,3\n', '--label NAME'), 'leave out a column of answers with --label NAME');
  assert.equal(hintOf('a,b,answer\n1,2,3\n'), 'leave out columns that are not inputs');
  assert.equal(hintOf('1,2,3\n', '--label NAME'), 'leave out a column of answers: write a header first, then --label NAME');
  assert.equal(hintOf('a\n1\n', '--label NAME'), null);
});

for (const { what, text, inputs } of [
  {
    what: "in the model's order",
    text: '1,2,3,hello\n4,5,6,"a, b"\n',
    inputs: [
      [1, 4],
      [2, 3, 5, 6],
      ['hello', 'a, b'],
    ],
  },
  { what: 'under a header that names those of one column', text: 'Age, b, c, text\n1,2,3,hello\n', inputs: [[1], [2, 3], ['hello']] },
]) {
  test(`several inputs get their columns ${what}`, () => {
    const signature: Signature = {
      inputs: [
        { name: 'age', datatype: 'INT64', shape: [-1] },
        { name: 'pair', datatype: 'FP32', shape: [-1, 2] },
        { name: 'text', datatype: 'BYTES', shape: [-1, 1] },
      ],
      outputs: [],
    };
    const [invocation] = decodeCsv(signature, text);
    assert.deepEqual(
      invocation?.inputs.map(({ datatype, data }) =>
        Array.from(unpackElements(datatype, data), (e) => (typeof e === 'bigint' ? Number(e) : e)),
      ),
      inputs,
    );
  });
}

test('columns named like the inputs can be in any order', () => {
  const input = (name: string): Signature['inputs'][number] => ({ name, datatype: 'FP32', shape: [-1] });
  const signature: Signature = { inputs: [input('x'), input('y')], outputs: [] };
  const [invocation] = decodeCsv(signature, 'y,x\n1,2\n');
  assert.deepEqual(
    invocation?.inputs.map(({ name, data }) => [name, ...(unpackElements('FP32', data) as Float32Array)]),
    [
      ['x', 2],
      ['y', 1],
    ],
  );
  assert.throws(() => decodeCsv(signature, '1,2,3\n'), { message: /2 inputs \(x, y\) \(2 columns\), the CSV has 3 columns/ });
});

const fares: Signature = {
  inputs: ['age', 'fare'].map((name) => ({ name, datatype: 'FP32', shape: [-1, 1] })),
  outputs: [],
};

for (const header of ['fare,age', 'Fare,AGE', 'fare, age', '" fare ",age', 'fare,"age "', 'fare, "age"', '\ufeffFARE,age']) {
  test(`under ${JSON.stringify(header)} each input has the column of its name`, () => {
    const [invocation] = decodeCsv(fares, `${header}\n1,3\n`);
    assert.deepEqual(
      invocation?.inputs.map(({ data }) => [...(unpackElements('FP32', data) as Float32Array)]),
      [[3], [1]],
    );
  });
}

for (const { header, says } of [
  {
    header: 'fare,ageX',
    says: /^the header does not name all of the model's inputs once \(missing: age; not known: ageX\): it takes age, fare; /,
  },
  { header: 'age,AGE', says: /missing: fare; more than once: age\)/ },
  {
    header: 'x,y',
    says: /^the header \(x, y\) names none of the model's inputs: it takes age, fare; .*have them in this one without a header$/,
  },
  { header: 'fare,age,label', says: /^the header names more than the model's inputs \(not known: label\)/ },
  { header: 'fare', says: /missing: age\)/ },
]) {
  test(`an ambiguous header of several inputs is rejected: ${header}`, () => {
    const row = header.replaceAll(/[^,]+/g, '1');
    assert.throws(() => decodeCsv(fares, `${header}\n${row}\n`), { code: 'invalid_request', message: says });
  });
}

test('names that differ only in case are separate columns', () => {
  const both: Signature = { inputs: ['x', 'X'].map((name) => ({ name, datatype: 'FP32', shape: [-1] })), outputs: [] };
  const [invocation] = decodeCsv(both, 'X,x\n1,2\n');
  assert.deepEqual(
    invocation?.inputs.map(({ data }) => [...(unpackElements('FP32', data) as Float32Array)]),
    [[2], [1]],
  );
});

test('inputs with unnamed columns require the order of the model', () => {
  const pairs: Signature = {
    inputs: [
      { name: 'age', datatype: 'FP32', shape: [-1] },
      { name: 'pair', datatype: 'FP32', shape: [-1, 2] },
    ],
    outputs: [],
  };
  assert.throws(() => decodeCsv(pairs, 'b,c,age\n1,2,3\n'), {
    message: "the header has 'age' in another place than the model: it takes age, pair: 2 columns; its columns stand in this order",
  });
  assert.throws(() => decodeCsv(pairs, 'a,b,c\n1,2,3\n'), { message: /names none of the model's inputs/ });
});

test('the column of answers is found like inputs', () => {
  assert.deepEqual(values(model('FP32', -1, 2), 'a, b, Label\n1,2,setosa\n', 'label'), { rows: 1, shape: [1, 2], values: [1, 2] });
});

test('text equal to the name of an input in another case is not a header', () => {
  const texts: Signature = { inputs: ['title', 'body'].map((name) => ({ name, datatype: 'BYTES', shape: [-1] })), outputs: [] };
  assert.equal(decodeCsv(texts, 'Title,hello\nsome,text\n')[0]?.rows, 2);
  assert.equal(decodeCsv(texts, 'Body,Title\nsome,text\n')[0]?.rows, 1);
});

test('a model with one row per request gets a request per line', () => {
  const each = decodeCsv(model('FP32', 1, 2), '1,2\n3,4\n5,6\n');
  assert.deepEqual(
    each.map(({ rows, inputs: [input] }) => [rows, input?.shape, Array.from(unpackElements('FP32', input?.data as Uint8Array))]),
    [
      [1, [1, 2], [1, 2]],
      [1, [1, 2], [3, 4]],
      [1, [1, 2], [5, 6]],
    ],
  );
  assert.deepEqual(values(model('FP32', 2), '1\n2\n'), { rows: 1, shape: [2], values: [1, 2] });
});
