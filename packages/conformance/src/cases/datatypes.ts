/** Cases C18 to C22: the limits of each datatype, with a model that returns its input. */
import assert from 'node:assert/strict';
import { binaryResponse, firstOutput, flat, ok, outputsOf } from '../assertions.ts';
import type { Case } from '../case.ts';
import { type Datatype, datatypes, wordOf } from '../client/elements.ts';
import type { Target } from '../client/target.ts';
import type { Json, WireReply } from '../client/wire.ts';

/** Datatypes of the fixture: `in_float32` for FP32. It has no input for BF16. */
type Echoed = Exclude<Datatype, 'BF16'>;
const echoed = datatypes.filter((datatype): datatype is Echoed => datatype !== 'BF16');

/** The smallest and largest value of each datatype, as JSON text. */
const edges: readonly (readonly [Echoed, string])[] = [
  ['INT8', '[-128,127]'],
  ['UINT8', '[0,255]'],
  ['INT16', '[-32768,32767]'],
  ['UINT16', '[0,65535]'],
  ['INT32', '[-2147483648,2147483647]'],
  ['UINT32', '[0,4294967295]'],
  ['INT64', '[-9223372036854775808,9223372036854775807]'],
  ['UINT64', '[0,18446744073709551615]'],
  ['BOOL', '[true,false]'],
  ['FP32', '[-1.5,16777216]'],
  ['FP64', '[0.1,1.7976931348623157e+308]'],
];

const beyond: readonly (readonly [Echoed, string])[] = [
  ['INT8', '[128,0]'],
  ['UINT8', '[-1,0]'],
  ['INT16', '[0.5,0]'],
  ['UINT32', '[4294967296,0]'],
  ['INT64', '[9223372036854775808,0]'],
  ['UINT64', '[-1,0]'],
  ['BOOL', '[2,0]'],
  ['INT32', '["1",0]'],
];

/** Sends two elements, given as JSON text, to the tested input, and zeros to the others. Requests only the matching output. */
async function echo(target: Target, datatype: Echoed, data: string): Promise<WireReply> {
  // The model with FP16 inputs is needed only to test FP16, which has no JSON form.
  const model = await target.fixture(datatype === 'FP16' ? 'dtypes' : 'typed');
  const inputs = echoed
    .filter((each) => each !== 'FP16' || datatype === 'FP16')
    .map((each) => `{"name":"in_${wordOf(each)}","datatype":"${each}","shape":[1,2],"data":${each === datatype ? data : zerosText(each)}}`);
  return target.infer(model, `{"inputs":[${inputs.join(',')}],"outputs":[{"name":"out_${wordOf(datatype)}"}]}`);
}

/** The same with binary data for the tested input. */
async function echoBytes(target: Target, datatype: Echoed, data: Buffer, binaryOutput: boolean): Promise<WireReply> {
  const inputs = echoed.map((each): Json => {
    const start = { name: `in_${wordOf(each)}`, datatype: each, shape: [1, 2] };
    if (each === datatype) return { ...start, parameters: { binary_data_size: data.length } };
    if (each === 'FP16') return { ...start, parameters: { binary_data_size: 4 } };
    return { ...start, data: JSON.parse(zerosText(each)) as unknown };
  });
  // Binary data follows in the order of the inputs.
  const isFirst = echoed.indexOf(datatype) < echoed.indexOf('FP16');
  const half = Buffer.alloc(datatype === 'FP16' ? 0 : 4);
  const outputs = [{ name: `out_${wordOf(datatype)}`, parameters: { binary_data: binaryOutput } }];
  return target.inferBinary(await target.fixture('dtypes'), { inputs, outputs }, Buffer.concat(isFirst ? [data, half] : [half, data]));
}

function zerosText(datatype: Echoed): string {
  return datatype === 'BYTES' ? '["",""]' : datatype === 'BOOL' ? '[false,false]' : '[0,0]';
}

/** The text of the output's data, because a JSON parser would round 64-bit integers. */
function dataText(reply: WireReply): string {
  assert.equal(outputsOf(ok(reply)).length, 1);
  const [, text] = /"data"\s*:\s*(\[[\s\S]*?\])\s*[,}]/.exec(reply.body.toString('utf8')) ?? [];
  assert(text !== undefined, `the output must have 'data'`);
  return text.replaceAll(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/g, '');
}

/** A server may support or reject NUL, but must not silently truncate the string. */
async function refusedOrWhole(target: Target, reply: WireReply, text: string): Promise<void> {
  if (reply.status !== 200 || target.isPenstock) return target.refused(reply, 400, text);
  assert.deepEqual(flat(firstOutput(ok(reply))['data']), ['x\0y', ''], 'a string with a NUL must be returned whole');
}

export const datatypeCases: readonly Case[] = [
  {
    id: 'C18',
    level: 'must',
    promise: 'BOOL, integers and floats are exact at their limits and rejected beyond them',
    async run(target) {
      for (const [datatype, data] of edges) {
        assert.deepEqual(JSON.parse(dataText(await echo(target, datatype, data))), JSON.parse(data), datatype);
      }
      if (target.isPenstock) assert.equal(dataText(await echo(target, 'BOOL', '[1,0]')), '[true,false]');
      for (const [datatype, data] of beyond) {
        const reply = await echo(target, datatype, data);
        assert(reply.status !== 200, `${datatype} ${data} is out of range but was accepted: ${reply.body.toString().slice(0, 200)}`);
        await target.refused(reply, 400, new RegExp(`^input 'in_${wordOf(datatype)}': element 0 is .*, ${datatype} needs `));
      }
    },
  },
  {
    id: 'C19',
    level: 'must',
    promise: 'INT64 and UINT64 are exact beyond 2^53',
    async run(target) {
      for (const [datatype, data] of [
        ['INT64', '[9007199254740993,-9223372036854775808]'],
        ['UINT64', '[9007199254740993,18446744073709551615]'],
      ] as const) {
        assert.equal(dataText(await echo(target, datatype, data)), data);
      }
    },
  },
  {
    id: 'C20',
    level: 'should',
    promise: 'NaN is rejected in JSON and accepted as binary data',
    async run(target) {
      await target.refused(await echo(target, 'FP32', '[null,0]'), 400, `input 'in_float32': element 0 is null, FP32 needs a number`);
      await target.refused(
        await echo(target, 'FP32', '[1e39,0]'),
        400,
        /^input 'in_float32': element 0 is 1e\+39, FP32 needs a finite number/,
      );
      await target.refused(await echo(target, 'FP32', '[NaN,0]'), 400, /^the body is not valid JSON/);
      if (!target.has('binary_tensor_data')) return;
      const nan = Buffer.from('0000c07f0000807f', 'hex');
      assert.deepEqual(binaryResponse(await echoBytes(target, 'FP32', nan, true)).bytes, nan);
      const json = await echoBytes(target, 'FP32', nan, false);
      await target.refused(json, 400, `output 'out_float32' holds NaN or Infinity, which JSON cannot carry`);
    },
  },
  {
    id: 'C21',
    level: 'must',
    promise: 'empty strings and strings of any script are exact; a NUL is rejected, never truncated',
    async run(target) {
      for (const strings of [
        ['', 'a'],
        ['é漢', '😀 "\\ \n'],
      ]) {
        const { datatype, shape, data } = firstOutput(ok(await echo(target, 'BYTES', JSON.stringify(strings))));
        assert.deepEqual({ datatype, shape, data: flat(data) }, { datatype: 'BYTES', shape: [1, 2], data: strings });
      }
      const nul = `input 'in_string': element 0 holds a NUL character, which no model input may`;
      await refusedOrWhole(target, await echo(target, 'BYTES', '["x\\u0000y",""]'), nul);
      if (!target.has('binary_tensor_data')) return;
      const bytes = Buffer.from('0000000005000000c3a9e6bca2', 'hex');
      assert.deepEqual(binaryResponse(await echoBytes(target, 'BYTES', bytes, true)).bytes, bytes);
      const cut = Buffer.from('0300000078007900000000', 'hex');
      await refusedOrWhole(target, await echoBytes(target, 'BYTES', cut, false), nul);
    },
  },
  {
    id: 'C22',
    level: 'should',
    promise: 'FP16 is rejected in JSON input and output, and exact as binary data',
    async run(target) {
      await target.refused(await echo(target, 'FP16', '[1,2]'), 400, `input 'in_float16': FP16 cannot be given as JSON, use binary data`);
      if (!target.has('binary_tensor_data')) return;
      const half = Buffer.from('003c00c0', 'hex');
      assert.deepEqual(binaryResponse(await echoBytes(target, 'FP16', half, true)).bytes, half);
      const json = await echoBytes(target, 'FP16', half, false);
      await target.refused(json, 400, `output 'out_float16' is FP16, which cannot be given as JSON, use binary data`);
    },
  },
];
