import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { writeCsv } from '../kit/format/write-csv.ts';
import { accuracyOf, confusionOf, hardest, judge, meanError } from './answers/answers.ts';
import { languages, snippet } from './answers/snippets.ts';
import { parseCsvText } from './csv.ts';
import { instanceOf, mappingFault, mappingFor, rowValues } from './mapping.ts';
import { answerShape, type InputSignature, inputModes, pictureShape } from './signature.ts';

const digits: InputSignature = {
  inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 4] }],
  outputs: [
    { name: 'label', datatype: 'INT64', shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
  ],
};

describe('CSV', () => {
  test('survives a round trip', () => {
    const cell = fc.string({ maxLength: 12 }).filter((text) => !/^[=+\-@\t\r]|[\r\uFEFF]/.test(text) && text.trim() === text);
    const table = fc
      .integer({ min: 2, max: 5 })
      .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 6 }));
    fc.assert(
      fc.property(table, (rows) => {
        const { rows: read } = parseCsvText(
          writeCsv(rows[0]?.map((_, index) => `column${index}`) ?? [], [...rows, rows[0]?.map(() => '1') ?? []]),
        );
        assert.deepEqual(
          read.slice(0, -1),
          rows.filter((row) => row.length > 1 || row[0] !== ''),
        );
      }),
    );
  });

  test('detects headers and handles separators, quotes and a byte order mark', () => {
    const csv = parseCsvText('\uFEFFa;"b ""x""";label\r\n1;2;yes\r\n3;4;"no;really"\r\n5;6\r\n');
    assert.deepEqual(csv, {
      header: ['a', 'b "x"', 'label'],
      hasHeader: true,
      rows: [
        ['1', '2', 'yes'],
        ['3', '4', 'no;really'],
      ],
      ragged: 1,
    });
    assert.equal(parseCsvText('1,2\n3,4\n').hasHeader, false);
  });

  test('escapes formulas', () => {
    assert.equal(writeCsv(['a'], [['=1+1'], [-2], ['-2']]), "a\n'=1+1\n-2\n-2\n");
  });
});

describe('column mapping', () => {
  const csv = parseCsvText('p0,p1,p2,p3,label\n0,1,2,3,2\n4,5,6,x,1\n');

  test('maps by position and name, without the label', () => {
    assert.deepEqual(mappingFor(csv, digits.inputs), { inputs: { pixels: [0, 1, 2, 3] }, truth: 4 });
    const two: InputSignature['inputs'] = [
      { name: 'age', datatype: 'FP32', shape: [-1, 1] },
      { name: 'city', datatype: 'BYTES', shape: [-1, 1] },
    ];
    const mapped = mappingFor(parseCsvText('city,age\nUlm,3\n'), two);
    assert.deepEqual(mapped, { inputs: { age: [1], city: [0] }, truth: null });
    assert.deepEqual(instanceOf(rowValues(['Ulm', '3'], two, mapped), two), { age: [3], city: ['Ulm'] });
  });

  test('reports columns that do not match, with the row and its value', () => {
    assert.match(mappingFault(csv, digits.inputs, mappingFor(csv, digits.inputs)) ?? '', /Row 2 has “x” in column p3/);
    const few = parseCsvText('1,2\n');
    assert.match(mappingFault(few, digits.inputs, mappingFor(few, digits.inputs)) ?? '', /takes 4 columns a row, but 2 of the file/);
  });

  test('does not take the first columns of a file that has too many', () => {
    const wrong = parseCsvText('a,b,c,d,e,f,label\n0,1,2,3,4,5,1\n');
    const mapped = mappingFor(wrong, digits.inputs);
    assert.equal(mapped.truth, 6);
    assert.match(mappingFault(wrong, digits.inputs, mapped) ?? '', /^pixels takes 4 columns a row, but 6 of the file are mapped to it/);
    const two: InputSignature['inputs'] = [
      { name: 'age', datatype: 'FP32', shape: [-1, 1] },
      { name: 'income', datatype: 'FP32', shape: [-1, 1] },
    ];
    const others = parseCsvText('a,b,c\n0,1,2\n4,5,6\n');
    const fault = mappingFault(others, two, mappingFor(others, two)) ?? '';
    assert.equal(mappingFor(others, two).truth, 2, 'one surplus column may hold the label');
    assert.equal(fault, '');
    const more = parseCsvText('a,b,c,d\n0,1,2,3\n');
    assert.match(mappingFault(more, two, mappingFor(more, two)) ?? '', /No column is mapped to age/);
    const named = parseCsvText('id,income,x,age\n0,1,2,3\n');
    assert.deepEqual(mappingFor(named, two).inputs, { age: [3], income: [1] });
  });

  test('nests values by shape', () => {
    const picture: InputSignature['inputs'] = [{ name: 'image', datatype: 'FP32', shape: [-1, 1, 2, 2] }];
    assert.deepEqual(instanceOf({ image: [1, 2, 3, 4] }, picture), [
      [
        [1, 2],
        [3, 4],
      ],
    ]);
  });
});

describe('predictions', () => {
  const shape = answerShape(digits);
  const judged = judge(
    [
      { label: 2, probabilities: [0.1, 0.1, 0.8] },
      { label: 0, probabilities: [0.5, 0.4, 0.1] },
      { label: 1, probabilities: [0.2, 0.7, 0.1] },
    ],
    ['2.0', '1', '1'],
    shape,
    null,
  );

  test('are right if they name the same class', () => {
    assert.deepEqual(judged.classes, ['0', '1', '2']);
    assert.deepEqual(
      judged.answers.map(({ isRight, sure }) => [isRight, sure]),
      [
        [true, 0.8],
        [false, 0.5],
        [true, 0.7],
      ],
    );
  });

  test('of scores alone are the class with the highest score', () => {
    const { answers } = judge([[0.1, 0.9]], [null], { answer: null, scores: 'y', isLabel: false, isNumber: false }, ['ham', 'spam']);
    assert.equal(answers[0]?.answer, 'spam');
  });

  test('take class names from maps of scores', () => {
    const { answers, classes } = judge(
      [{ label: 'b', p: { a: 0.25, b: 0.75 } }],
      ['b'],
      { answer: 'label', scores: 'p', isLabel: true, isNumber: false },
      null,
    );
    assert.deepEqual([classes, answers[0]?.sure], [['a', 'b'], 0.75]);
  });

  test('have an accuracy with a Wilson interval', () => {
    const answers = Array.from({ length: 450 }, (_, index) => ({
      answer: '1',
      probabilities: null,
      sure: null,
      truth: '1',
      isRight: index >= 10,
    }));
    const accuracy = accuracyOf(answers);
    assert(accuracy !== null);
    // 440 of 450: 0.960 to 0.988, as in R: prop.test(correct = FALSE).
    assert.deepEqual(
      [accuracy.share, accuracy.low, accuracy.high].map((value) => value.toFixed(3)),
      ['0.978', '0.960', '0.988'],
    );
    assert.equal(accuracyOf([]), null);
  });

  test('are counted by label', () => {
    const confusion = confusionOf(judged);
    assert.deepEqual(confusion?.counts, [
      [0, 0, 0],
      [1, 1, 0],
      [0, 0, 1],
    ]);
    assert.equal(confusion === null ? null : hardest(confusion), '1, predicted as 0 once');
  });

  test('that are numbers have a mean error instead of right or wrong', () => {
    const { kind, answers } = judge([[1.5], [2]], ['1', '2'], { answer: 'y', scores: null, isLabel: false, isNumber: true }, null);
    assert.equal(meanError(answers), 0.25);
    assert.deepEqual([kind, answers.map(({ isRight }) => isRight)], ['number', [null, null]]);
  });

  const y = { name: 'y', datatype: 'FP32', shape: [-1, 3] };
  for (const { what, outputs, predictions, kind, answer } of [
    { what: 'probabilities', outputs: [y], predictions: [[0.1, 0.2, 0.7]], kind: 'classes', answer: '2' },
    { what: 'three numbers', outputs: [y], predictions: [[6, 7, 9]], kind: 'values', answer: '[6, 7, 9]' },
    {
      what: 'shares that sum to one in some rows only',
      outputs: [y],
      predictions: [
        [0.2, 0.2, 0.6],
        [0.2, 0.2, 0.2],
      ],
      kind: 'values',
      answer: '[0.2, 0.2, 0.6]',
    },
    { what: 'a sum of one with a negative part', outputs: [y], predictions: [[-1, 1, 1]], kind: 'values', answer: '[-1, 1, 1]' },
    {
      what: 'several outputs, none a label',
      outputs: [
        { ...y, name: 'mean', shape: [-1, 1] },
        { ...y, name: 'spread', shape: [-1, 1] },
      ],
      predictions: [{ mean: [4], spread: [0.5] }],
      kind: 'values',
      answer: 'mean: [4]; spread: [0.5]',
    },
    {
      what: 'a sequence of ids',
      outputs: [{ name: 'ids', datatype: 'INT64', shape: [-1, -1] }],
      predictions: [[5, 8, 1]],
      kind: 'values',
      answer: '[5, 8, 1]',
    },
    {
      what: 'a single integer',
      outputs: [{ name: 'bikes', datatype: 'INT64', shape: [-1] }],
      predictions: [41],
      kind: 'number',
      answer: '41',
    },
    {
      what: 'a single integer named like a label',
      outputs: [{ name: 'output_label', datatype: 'INT64', shape: [-1, 1] }],
      predictions: [[2]],
      kind: 'classes',
      answer: '2',
    },
    {
      what: 'a single text',
      outputs: [{ name: 'summary', datatype: 'BYTES', shape: [-1] }],
      predictions: ['It rained.'],
      kind: 'values',
      answer: 'It rained.',
    },
    {
      what: 'a count and an embedding',
      outputs: [{ name: 'tokens', datatype: 'INT64', shape: [-1] }, y],
      predictions: [{ tokens: 9, y: [-4, 9, 2] }],
      kind: 'values',
      answer: 'tokens: 9; y: [-4, 9, 2]',
    },
    {
      what: 'an integer and probabilities',
      outputs: [{ name: 'digit', datatype: 'INT64', shape: [-1] }, y],
      predictions: [{ digit: 2, y: [0.1, 0.2, 0.7] }],
      kind: 'classes',
      answer: '2',
    },
    {
      what: 'a label and scores that are not probabilities',
      outputs: [{ name: 'label', datatype: 'INT64', shape: [-1] }, y],
      predictions: [{ label: 1, y: [-4, 9, 2] }],
      kind: 'classes',
      answer: '1',
    },
  ]) {
    test(`that are ${what} are ${kind}`, () => {
      const judgedOutputs = judge(
        predictions,
        predictions.map(() => null),
        answerShape({ inputs: [], outputs }),
        null,
      );
      assert.deepEqual([judgedOutputs.kind, judgedOutputs.answers[0]?.answer], [kind, answer]);
    });
  }
});

test('recognizes pictures by shape, or by name and a square number of values', () => {
  assert.deepEqual(pictureShape({ name: 'x', datatype: 'FP32', shape: [-1, 1, 28, 28] }), {
    width: 28,
    height: 28,
    channels: 1,
    isInterleaved: false,
  });
  assert.equal(pictureShape({ name: 'pixels', datatype: 'FP32', shape: [-1, 64] })?.width, 8);
  assert.equal(pictureShape({ name: 'features', datatype: 'FP32', shape: [-1, 64] }), null);
});

for (const language of languages) {
  test(`the snippet for ${language} contains all values, and a key only if needed`, () => {
    const spec = {
      origin: 'http://127.0.0.1:8080',
      endpoint: 'digits',
      signature: digits,
      values: { pixels: [0, 0.5, 7, 16] },
      requiresKey: false,
    };
    const text = snippet(language, spec);
    assert.match(text.replaceAll(/'\n\s*'|\s/g, ''), /\[0,0\.5,7,16\]/);
    assert.doesNotMatch(text, /PENSTOCK_KEY/);
    if (language !== 'boto3') assert.match(snippet(language, { ...spec, requiresKey: true }), /PENSTOCK_KEY/);
  });
}

test('the input that fits the model best comes first', () => {
  const modes = (...shapes: (readonly number[])[]) =>
    inputModes({
      inputs: shapes.map((shape, index) => ({ name: `x${index}`, datatype: 'FP32' as const, shape: [...shape] })),
      outputs: [],
    });
  assert.deepEqual(modes([-1, 3, 224, 224]), ['picture', 'csv', 'form']);
  assert.deepEqual(modes([-1, 30]), ['form', 'csv']);
  assert.deepEqual(modes([-1, 20], [-1, 11]), ['csv', 'form']);
  assert.deepEqual(modes([-1, -1]), ['csv', 'form']);
});
