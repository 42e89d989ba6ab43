/** Cases C18 to C22: each datatype at its edges, through a model that gives back what it gets. */
import assert from 'node:assert/strict';
import { binaryAnswer, type Case, models, ok, outputOf, type Target } from './suite.ts';
import type { Reply } from './wire.ts';

const { dtypes, text } = models;

/** By the model's own word for each datatype. */
const datatypes = {
  float32: 'FP32',
  uint8: 'UINT8',
  int8: 'INT8',
  uint16: 'UINT16',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  string: 'BYTES',
  bool: 'BOOL',
  float16: 'FP16',
  float64: 'FP64',
  uint32: 'UINT32',
  uint64: 'UINT64',
} as const;
type Word = keyof typeof datatypes;

/** Largest and smallest of each, as JSON text. */
const edges: readonly (readonly [Word, string])[] = [
  ['int8', '[-128,127]'],
  ['uint8', '[0,255]'],
  ['int16', '[-32768,32767]'],
  ['uint16', '[0,65535]'],
  ['int32', '[-2147483648,2147483647]'],
  ['uint32', '[0,4294967295]'],
  ['int64', '[-9223372036854775808,9223372036854775807]'],
  ['uint64', '[0,18446744073709551615]'],
  ['bool', '[true,false]'],
  ['float32', '[-1.5,16777216]'],
  ['float64', '[0.1,1.7976931348623157e+308]'],
];

/**
 * One row of two elements for the input under test, given as JSON text; zeros for the other twelve. FP16 cannot be
 * JSON, so it always is binary. Only the output under test is asked for.
 */
function echo(target: Target, word: Word, data: string, binaryOutput = false): Promise<Reply> {
  const inputs = Object.entries(datatypes).map(([each, datatype]) => {
    const start = `{"name":"in_${each}","datatype":"${datatype}","shape":[1,2],`;
    if (each === word) return `${start}"data":${data}}`;
    if (each === 'float16') return `${start}"parameters":{"binary_data_size":4}}`;
    return `${start}"data":${each === 'string' ? '["",""]' : each === 'bool' ? '[false,false]' : '[0,0]'}}`;
  });
  const outputs = JSON.stringify([{ name: `out_${word}`, parameters: { binary_data: binaryOutput } }]);
  const bytes = word === 'float16' ? Buffer.alloc(0) : Buffer.alloc(4);
  return target.inferBinary(dtypes, `{"inputs":[${inputs.join(',')}],"outputs":${outputs}}`, bytes);
}

/** The same with binary data for the input under test. */
function echoBytes(target: Target, word: Word, data: Buffer, binaryOutput: boolean): Promise<Reply> {
  const inputs = Object.entries(datatypes).map(([each, datatype]) => {
    const start = { name: `in_${each}`, datatype, shape: [1, 2] };
    if (each === word) return { ...start, parameters: { binary_data_size: data.length } };
    if (each === 'float16') return { ...start, parameters: { binary_data_size: 4 } };
    return { ...start, data: each === 'string' ? ['', ''] : each === 'bool' ? [false, false] : [0, 0] };
  });
  // Binary data stands in the order of the inputs.
  const isFirst = Object.keys(datatypes).indexOf(word) < Object.keys(datatypes).indexOf('float16');
  const half = Buffer.alloc(word === 'float16' ? 0 : 4);
  const outputs = [{ name: `out_${word}`, parameters: { binary_data: binaryOutput } }];
  return target.inferBinary(dtypes, { inputs, outputs }, Buffer.concat(isFirst ? [data, half] : [half, data]));
}

function dataText(reply: Reply): string {
  ok(reply);
  const body = reply.body.toString('utf8');
  return body.slice(body.indexOf('"data":') + '"data":'.length, body.lastIndexOf('}]}'));
}

export const datatypeCases: readonly Case[] = [
  {
    id: 'C18',
    promise: 'BOOL, integers and floats are exact at their edges; beyond them refused',
    async run(target) {
      await target.needs(dtypes);
      for (const [word, data] of edges) assert.deepEqual(JSON.parse(dataText(await echo(target, word, data))), JSON.parse(data), word);
      assert.equal(dataText(await echo(target, 'bool', '[1,0]')), '[true,false]');
      const beyond: readonly (readonly [Word, string])[] = [
        ['int8', '[128,0]'],
        ['uint8', '[-1,0]'],
        ['int16', '[0.5,0]'],
        ['uint32', '[4294967296,0]'],
        ['int64', '[9223372036854775808,0]'],
        ['uint64', '[-1,0]'],
        ['bool', '[2,0]'],
        ['int32', '["1",0]'],
      ];
      for (const [word, data] of beyond) {
        await target.refused(
          await echo(target, word, data),
          400,
          new RegExp(`^input 'in_${word}': element 0 is .*, ${datatypes[word]} needs `),
        );
      }
    },
  },
  {
    id: 'C19',
    promise: 'INT64 and UINT64 are exact beyond 2^53',
    async run(target) {
      await target.needs(dtypes);
      for (const [word, data] of [
        ['int64', '[9007199254740993,-9223372036854775808]'],
        ['uint64', '[9007199254740993,18446744073709551615]'],
      ] as const) {
        assert.equal(dataText(await echo(target, word, data)), data);
      }
    },
  },
  {
    id: 'C20',
    promise: 'NaN never goes through JSON, and does through binary data',
    async run(target) {
      await target.needs(dtypes);
      const nan = Buffer.from('0000c07f0000807f', 'hex');
      assert.deepEqual(binaryAnswer(await echoBytes(target, 'float32', nan, true)).bytes, nan);
      const json = await echoBytes(target, 'float32', nan, false);
      await target.refused(json, 400, `output 'out_float32' holds NaN or Infinity, which JSON cannot carry`);
      await target.refused(await echo(target, 'float32', '[null,0]'), 400, `input 'in_float32': element 0 is null, FP32 needs a number`);
      await target.refused(
        await echo(target, 'float32', '[1e39,0]'),
        400,
        /^input 'in_float32': element 0 is 1e\+39, FP32 needs a finite number/,
      );
      await target.refused(await echo(target, 'float32', '[NaN,0]'), 400, /^the body is not valid JSON/);
    },
  },
  {
    id: 'C21',
    promise: 'strings of any alphabet and empty ones are exact; a NUL is refused, never cut off',
    async run(target) {
      await target.needs(dtypes);
      for (const strings of [
        ['', 'a'],
        ['é漢', '😀 "\\ \n'],
      ]) {
        assert.deepEqual(JSON.parse(dataText(await echo(target, 'string', JSON.stringify(strings)))), strings);
      }
      const bytes = Buffer.from('0000000005000000c3a9e6bca2', 'hex');
      assert.deepEqual(binaryAnswer(await echoBytes(target, 'string', bytes, true)).bytes, bytes);
      const nul = `input 'in_string': element 0 holds a NUL character, which no model input may`;
      await target.refused(await echo(target, 'string', '["x\\u0000y",""]'), 400, nul);
      await target.refused(await echoBytes(target, 'string', Buffer.from('0300000078007900000000', 'hex'), true), 400, nul);
      const label = outputOf(
        ok(await target.infer(text, { inputs: [{ name: 'text', datatype: 'BYTES', shape: [1], data: ['free money'] }] })),
        'label',
      );
      assert.equal(label['datatype'], 'BYTES');
    },
  },
  {
    id: 'C22',
    promise: 'FP16 is refused as JSON, in and out, and exact as binary data',
    async run(target) {
      await target.needs(dtypes);
      const half = Buffer.from('003c00c0', 'hex');
      assert.deepEqual(binaryAnswer(await echoBytes(target, 'float16', half, true)).bytes, half);
      await target.refused(
        await echo(target, 'float16', '[1,2]'),
        400,
        `input 'in_float16': FP16 cannot be given as JSON, use binary data`,
      );
      await target.refused(
        await echoBytes(target, 'float16', half, false),
        400,
        `output 'out_float16' is FP16, which cannot be given as JSON, use binary data`,
      );
    },
  },
];
