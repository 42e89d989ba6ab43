/** Compares with another implementation, protobufjs, and tests hostile bytes. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import fc from 'fast-check';
import { bytesOf, type Datatype, datatypes, decodeStrings, elementsOf, encodeStrings, newArray, type Tensor } from '../../tensor.ts';
import { ModelPlan } from '../oip/model-plan.ts';
import { decodeMessage } from './decode-message.ts';
import { encodeMessage, streamError, streamMessage } from './encode-message.ts';
import { readInferMessage } from './infer-message.ts';

const definitions = loadSync('grpc_service.proto', {
  keepCase: true,
  longs: String,
  oneofs: true,
  includeDirs: [join(import.meta.dirname, '../../oip/grpc')],
});
const service = definitions['inference.GRPCInferenceService'] as ServiceDefinition;
const { ModelInfer, ModelStreamInfer } = service;
assert(ModelInfer !== undefined && ModelStreamInfer !== undefined);

const fields = {
  BOOL: 'bool_contents',
  INT8: 'int_contents',
  INT16: 'int_contents',
  INT32: 'int_contents',
  INT64: 'int64_contents',
  UINT8: 'uint_contents',
  UINT16: 'uint_contents',
  UINT32: 'uint_contents',
  UINT64: 'uint64_contents',
  FP32: 'fp32_contents',
  FP64: 'fp64_contents',
  BYTES: 'bytes_contents',
} as const;
type Typed = keyof typeof fields;
const typed = Object.keys(fields) as Typed[];

const elements: Record<Typed, fc.Arbitrary<unknown>> = {
  BOOL: fc.boolean(),
  INT8: fc.integer({ min: -128, max: 127 }),
  INT16: fc.integer({ min: -32_768, max: 32_767 }),
  INT32: fc.integer(),
  INT64: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  UINT8: fc.nat(255),
  UINT16: fc.nat(65_535),
  UINT32: fc.nat(4_294_967_295),
  UINT64: fc.bigInt(0n, 2n ** 64n - 1n),
  FP32: fc.float(),
  FP64: fc.double(),
  BYTES: fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
};

function planOf(datatype: Datatype, shape: readonly number[] = [-1]): ModelPlan {
  const specs = [{ name: 'x', datatype, shape }];
  return new ModelPlan('m', '1', { inputs: specs, outputs: specs }, false);
}

function tensorOf(datatype: Typed, values: readonly unknown[]): Tensor {
  const shape = [values.length];
  if (datatype === 'BYTES') return { name: 'x', datatype, shape, data: encodeStrings(values as string[]) };
  const array = newArray(datatype, values.length);
  for (const [index, value] of values.entries()) array[index] = (typeof value === 'boolean' ? Number(value) : value) as never;
  return { name: 'x', datatype, shape, data: bytesOf(array) };
}

/** The elements in the form that protobufjs expects and returns. */
function foreign(datatype: Typed, values: readonly unknown[]): unknown[] {
  return values.map((value) => (datatype === 'BYTES' ? Buffer.from(value as string) : typeof value === 'bigint' ? String(value) : value));
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array): void {
  assert.equal(Buffer.from(a ?? []).toString('hex'), Buffer.from(b).toString('hex'));
}

for (const datatype of typed) {
  test(`${datatype} is read from typed and raw contents, and answered in the same form`, () => {
    fc.assert(
      fc.property(fc.array(elements[datatype]), (values) => {
        const tensor = tensorOf(datatype, values);
        const input = { name: 'x', datatype, shape: tensor.shape };
        const asTyped = ModelInfer.requestSerialize({
          model_name: 'm',
          inputs: [{ ...input, contents: { [fields[datatype]]: foreign(datatype, values) } }],
        });
        const asRaw = ModelInfer.requestSerialize({ model_name: 'm', inputs: [input], raw_input_contents: [tensor.data] });
        const plan = planOf(datatype);
        for (const [bytes, isRaw] of [
          [asTyped, values.length === 0],
          [asRaw, true],
        ] as const) {
          const request = decodeMessage(plan, 0, readInferMessage(bytes));
          assert.equal(request.isRaw, isRaw);
          sameBytes(request.inputs[0]?.data, tensor.data);
          const answer = ModelInfer.responseDeserialize(encodeMessage(plan, request, request.inputs)) as {
            outputs: { contents?: Record<string, unknown> }[];
            raw_output_contents?: Buffer[];
          };
          assert.partialDeepStrictEqual(answer, { model_name: 'm', model_version: '1', outputs: [{ name: 'x', datatype }] });
          if (isRaw) sameBytes(answer.raw_output_contents?.[0], tensor.data);
          else {
            assert.equal(answer.raw_output_contents, undefined);
            const [contents] = Object.values(answer.outputs[0]?.contents ?? {});
            sameBytes(tensorOfForeign(datatype, contents as unknown[]), tensor.data);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
}

function tensorOfForeign(datatype: Typed, values: readonly unknown[]): Uint8Array {
  const own = values.map((value) =>
    datatype === 'BYTES' ? (value as Buffer).toString() : datatype.endsWith('INT64') ? BigInt(value as string) : value,
  );
  return tensorOf(datatype, own).data;
}

test('reads every field of a request written by protobufjs exactly', () => {
  const choice = fc.oneof(
    fc.boolean().map((value) => [{ bool_param: value }, value] as const),
    fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map((value) => [{ int64_param: String(value) }, exact(value)] as const),
    fc.string().map((value) => [{ string_param: value }, value] as const),
    fc.double().map((value) => [{ double_param: value }, value] as const),
    fc.bigInt(0n, 2n ** 64n - 1n).map((value) => [{ uint64_param: String(value) }, exact(value)] as const),
  );
  const parameters = fc.dictionary(
    fc.string().filter((key) => key !== '__proto__'),
    choice,
    { maxKeys: 4 },
  );
  const text = fc.string({ unit: 'grapheme' });
  const size = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  const tensor = fc.record({ name: text, datatype: text, shape: fc.array(size, { maxLength: 5 }), parameters });
  const request = fc.record({ model_name: text, model_version: text, id: text, parameters, inputs: fc.array(tensor, { maxLength: 3 }) });
  fc.assert(
    fc.property(
      request,
      fc.array(fc.record({ name: text, parameters }), { maxLength: 3 }),
      fc.array(fc.uint8Array()),
      (provided, outputs, raw) => {
        const sent = (entries: typeof provided.parameters): object =>
          Object.fromEntries(Object.entries(entries).map(([key, [value]]) => [key, value]));
        const bytes = ModelInfer.requestSerialize({
          ...provided,
          parameters: sent(provided.parameters),
          inputs: provided.inputs.map((each) => ({ ...each, parameters: sent(each.parameters) })),
          outputs: outputs.map((each) => ({ ...each, parameters: sent(each.parameters) })),
          raw_input_contents: raw,
        });
        const read = readInferMessage(bytes);
        const meant = (entries: typeof provided.parameters): object | undefined => {
          const pairs = Object.entries(entries).map(([key, [, value]]) => [key, value] as const);
          return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
        };
        assert.deepEqual([read.modelName, read.modelVersion, read.id], [provided.model_name, provided.model_version, provided.id]);
        assert.deepEqual(read.parameters, meant(provided.parameters));
        assert.deepEqual(
          read.inputs,
          provided.inputs.map((each) => ({ ...each, parameters: meant(each.parameters), contents: null })),
        );
        assert.deepEqual(
          read.outputs,
          outputs.map((each) => ({ name: each.name, parameters: meant(each.parameters) })),
        );
        assert.deepEqual(
          read.raw.map((each) => each.toString('hex')),
          raw.map((each) => Buffer.from(each).toString('hex')),
        );
      },
    ),
    { numRuns: 200 },
  );
});

function exact(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

test('any bytes are a message or an invalid request', () => {
  const valid = ModelInfer.requestSerialize({
    model_name: 'm',
    id: '1',
    parameters: { a: { int64_param: '-1' }, b: { double_param: 0.5 } },
    inputs: [{ name: 'x', datatype: 'INT32', shape: [3], contents: { int_contents: [1, -2, 300] } }],
    outputs: [{ name: 'x' }],
  });
  const damaged = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 }).map((changes) => {
    const bytes = Buffer.from(valid);
    for (const [at, byte] of changes) bytes[at] = byte;
    return bytes;
  });
  const cut = fc.nat(valid.length).map((length) => valid.subarray(0, length));
  const plan = planOf('INT32');
  fc.assert(
    fc.property(fc.oneof(damaged, cut, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      try {
        const { inputs } = decodeMessage(plan, 0, readInferMessage(Buffer.from(bytes)));
        assert.equal(inputs[0]?.data.byteLength, 4 * (inputs[0]?.shape[0] as number));
      } catch (error) {
        assert(['invalid_request', 'unsupported'].includes((error as { code: string }).code), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('unknown fields of any type are skipped', () => {
  const known = ModelInfer.requestSerialize({ model_name: 'm' });
  const unknown = Buffer.from('980601' + '9106' + '00'.repeat(8) + '9a0602' + 'ffff' + '9d06' + '00'.repeat(4), 'hex');
  assert.equal(readInferMessage(Buffer.concat([unknown, known, unknown])).modelName, 'm');
});

/** Messages that the wire format allows, although no library writes them. */
test('unpacked and scattered elements are one tensor', () => {
  const contents = Buffer.concat([
    Buffer.from('35', 'hex'), // fp32_contents, one element
    bytesOf(Float32Array.of(1)),
    Buffer.from('3208', 'hex'), // two, packed
    bytesOf(Float32Array.of(2, 3)),
  ]);
  const head = Buffer.from('0a01781204465033321803', 'hex');
  const pieces = [contents.subarray(0, 5), contents.subarray(5)].map((piece) => Buffer.concat([Buffer.of(0x2a, piece.length), piece]));
  const input = Buffer.concat([head, ...pieces]);
  const { inputs } = decodeMessage(planOf('FP32'), 0, readInferMessage(Buffer.concat([Buffer.of(0x2a, input.length), input])));
  assert.deepEqual([...elementsOf('FP32', inputs[0]?.data as Uint8Array)], [1, 2, 3]);
});

for (const { what, input, raw, message } of [
  { what: 'contents and raw', input: { contents: { fp32_contents: [1] } }, raw: [Buffer.alloc(4)], message: /all raw or all typed/ },
  { what: 'neither', input: {}, message: /input 'x': it has no elements/ },
  { what: 'too many raw entries', input: {}, raw: [Buffer.alloc(4), Buffer.alloc(4)], message: /2 entries for 1 inputs/ },
  {
    what: 'raw of a wrong length',
    input: {},
    raw: [Buffer.alloc(3)],
    message: /raw_input_contents has 3 bytes, shape \[1\] of FP32 needs 4/,
  },
  { what: 'too few elements', input: { contents: { fp32_contents: [] } }, message: /it has no elements/ },
  { what: 'too many', input: { contents: { fp32_contents: [1, 2] } }, message: /fp32_contents has 2 elements, shape \[1\] needs 1/ },
  {
    what: 'the wrong field',
    input: { contents: { int_contents: [1] } },
    message: /FP32 belongs in fp32_contents, but there is int_contents/,
  },
  {
    what: 'a negative size',
    input: { shape: [-1], contents: { fp32_contents: [1] } },
    message: /'shape' must be an array of integers >= 0/,
  },
]) {
  test(`rejects ${what} with the reason`, () => {
    const bytes = ModelInfer.requestSerialize({
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1], ...input }],
      raw_input_contents: raw ?? [],
    });
    assert.throws(() => decodeMessage(planOf('FP32'), 0, readInferMessage(bytes)), { code: 'invalid_request', message });
  });
}

test('rejects elements beyond their datatype, NUL in a string and FP16 as elements', () => {
  for (const [datatype, contents, message] of [
    ['UINT8', { uint_contents: [300] }, /element 0 is 300, UINT8 needs an integer in its range/],
    ['INT8', { int_contents: [-129] }, /element 0 is -129/],
    ['BYTES', { bytes_contents: [Buffer.from('a\0')] }, /holds a NUL/],
    ['BYTES', { bytes_contents: [Buffer.of(0xff)] }, /not valid UTF-8/],
    ['FP16', { fp32_contents: [1] }, /FP16 has no typed contents, send it in raw_input_contents/],
  ] as const) {
    const bytes = ModelInfer.requestSerialize({ inputs: [{ name: 'x', datatype, shape: [1], contents }] });
    assert.throws(() => decodeMessage(planOf(datatype), 0, readInferMessage(bytes)), { code: 'invalid_request', message });
  }
});

test('one FP16 output makes the whole response raw; classes are strings, so typed', () => {
  const outputs = [
    { name: 'half', datatype: 'FP16', shape: [-1] },
    { name: 'y', datatype: 'FP32', shape: [-1] },
  ] as const;
  const plan = new ModelPlan('m', '1', { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }], outputs }, false);
  const input = { name: 'x', datatype: 'FP32', shape: [1], contents: { fp32_contents: [1] } };
  const call = (wanted: object[]): boolean =>
    decodeMessage(plan, 0, readInferMessage(ModelInfer.requestSerialize({ inputs: [input], outputs: wanted }))).isRaw;
  assert.equal(call([]), true);
  assert.equal(call([{ name: 'half' }]), true);
  assert.equal(call([{ name: 'y' }]), false);
  assert.equal(call([{ name: 'y', parameters: { classification: { int64_param: 1 } } }]), false);
});

test('response parameters and the stream envelope are readable by clients', () => {
  const plan = planOf('FP32');
  const request = { id: '7', outputs: plan.allJson, isRaw: true };
  const answer = encodeMessage(plan, request, [tensorOf('FP32', [1.5])], { triton_final_response: true, queue_ms: 0.25, why: 'idle' });
  assert.partialDeepStrictEqual(ModelStreamInfer.responseDeserialize(streamMessage(answer)), {
    infer_response: {
      id: '7',
      parameters: { triton_final_response: { bool_param: true }, queue_ms: { double_param: 0.25 }, why: { string_param: 'idle' } },
    },
  });
  assert.deepEqual(ModelStreamInfer.responseDeserialize(streamError('no', 'm', '8')), {
    error_message: 'no',
    infer_response: { model_name: 'm', id: '8' },
  });
});

test('strings round-trip', () => {
  const plan = planOf('BYTES');
  const bytes = ModelInfer.requestSerialize({
    inputs: [{ name: 'x', datatype: 'BYTES', shape: [3], contents: { bytes_contents: ['a', '', 'é漢'].map((text) => Buffer.from(text)) } }],
  });
  const request = decodeMessage(plan, 0, readInferMessage(bytes));
  assert.deepEqual(decodeStrings(request.inputs[0]?.data as Uint8Array), ['a', '', 'é漢']);
  assert.equal(datatypes.BYTES.bytes, null);
});
