import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  bytesKind,
  choiceKind,
  durationKind,
  gatewaysKind,
  integerKind,
  listKind,
  machineSizeKind,
  objectKind,
  objectTextKind,
  patternKind,
  portKind,
  rangeKind,
  type SettingKind,
  shareKind,
  textKind,
} from './kinds.ts';

interface KindCase {
  readonly name: string;
  readonly kind: SettingKind<unknown>;
  readonly expected: string;
  /** Provided values, and what they are read as. */
  readonly reads: readonly (readonly [provided: unknown, value: unknown])[];
  readonly rejects: readonly unknown[];
}

const cases: readonly KindCase[] = [
  { name: 'a text', kind: textKind('NAME'), expected: 'a non-empty string', reads: [['a', 'a']], rejects: ['', 1, null, undefined, ['a']] },
  {
    name: 'a text of a form',
    kind: patternKind('ID', /^\d{3}$/, 'three digits'),
    expected: 'three digits',
    reads: [['012', '012']],
    rejects: ['12', '0123', 12, null],
  },
  {
    name: 'a whole number',
    kind: integerKind(2, 10),
    expected: 'a whole number from 2 to 10',
    reads: [
      ['2', 2],
      ['010', 10],
      [10, 10],
    ],
    rejects: ['1', '11', 1, 11, '2.5', 2.5, '1e1', ' 8 ', '-3', '', true, null, Number.NaN],
  },
  {
    name: 'a range',
    kind: rangeKind(0, 100),
    expected: 'two whole numbers from 0 to 100 as MIN..MAX',
    reads: [
      ['0..100', { min: 0, max: 100 }],
      ['3..3', { min: 3, max: 3 }],
    ],
    rejects: ['3..2', '1..101', '1', '1..', '..1', '1...2', '-1..2', '1.5..2', 1, null],
  },
  {
    name: 'the size of a machine',
    kind: machineSizeKind(),
    expected: 'cores and memory such as 4/16GiB',
    reads: [
      ['4/16GiB', { cpuMilli: 4000, memoryMiB: 16_384 }],
      ['1/512MiB', { cpuMilli: 1000, memoryMiB: 512 }],
    ],
    rejects: ['4', '4/', '/4GiB', '0/4GiB', '1.5/4GiB', '4/16GB', '4/16GiB/1', '4/1KiB', 4, null],
  },
  {
    name: 'a port',
    kind: portKind(),
    expected: 'a whole number from 0 to 65535, or off',
    reads: [
      ['off', 'off'],
      ['0', 0],
      [65_535, 65_535],
    ],
    rejects: ['65536', -1, 'Off', '', 'http'],
  },
  {
    name: 'a share',
    kind: shareKind(),
    expected: 'a number from 0 to 1',
    reads: [
      ['0.05', 0.05],
      [0, 0],
      ['1', 1],
    ],
    rejects: ['5%', '', '  ', 1.01, -0.01, 'NaN', null, []],
  },
  {
    name: 'one of a few words',
    kind: choiceKind(['off', 'files']),
    expected: 'one of off, files',
    reads: [
      ['off', 'off'],
      ['files', 'files'],
    ],
    rejects: ['Off', 'file', '', null, 0],
  },
  {
    name: 'a size',
    kind: bytesKind(),
    expected: 'a number of bytes, or a size such as 64MiB (KiB, MiB, GiB)',
    reads: [
      ['1', 1],
      [512, 512],
      [' 64 MiB ', 64 * 2 ** 20],
      ['1KiB', 1024],
      ['2GiB', 2 ** 31],
    ],
    rejects: ['0', 0, '1MB', '1.5MiB', '-1', '', '9007199254740993', '99999999GiB', null, {}],
  },
  {
    name: 'a time',
    kind: durationKind(100, 60_000),
    expected: 'a time such as 500ms, 60s or 5m, from 100ms to 60s (a bare number is seconds)',
    reads: [
      ['100ms', 100],
      ['1m', 60_000],
      [2, 2000],
      ['0.5', 500],
    ],
    rejects: ['99ms', '61s', '0', '-1s', 'soon', '', null],
  },
  { name: 'an object', kind: objectKind(), expected: 'a JSON object', reads: [[{ a: 1 }, { a: 1 }]], rejects: ['{}', [], null, 1] },
  {
    name: 'an object or its JSON',
    kind: objectTextKind(),
    expected: 'a JSON object',
    reads: [
      [{ a: 1 }, { a: 1 }],
      ['{"a":1}', { a: 1 }],
    ],
    rejects: ['{', '[]', '"a"', '', [], null, 1],
  },
  { name: 'a list', kind: listKind(), expected: 'a JSON array', reads: [[[1], [1]]], rejects: ['[]', {}, null, 1] },
];

for (const { name, kind, expected, reads, rejects } of cases) {
  describe(`a setting that is ${name}`, () => {
    test('says what it expects', () => assert.equal(kind.expected, expected));
    for (const [provided, value] of reads) {
      test(`reads ${JSON.stringify(provided)}`, () => assert.deepEqual(kind.read(provided), value));
    }
    for (const provided of rejects) test(`rejects ${JSON.stringify(provided)}`, () => assert.equal(kind.read(provided), undefined));
  });
}

test('gateways are a number, or a part of the cores that is never 0', () => {
  const { read } = gatewaysKind();
  assert.deepEqual([read('3'), read(64), read('0'), read('65'), read('many')], [3, 64, undefined, undefined, undefined]);
  assert((read('auto') as number) >= 1);
});

test('no kind throws for any JSON value, such as an object that cannot become a string', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (provided) => cases.forEach(({ kind }) => void kind.read(provided))),
    {
      examples: [[{ toString: {} }]],
    },
  );
});
