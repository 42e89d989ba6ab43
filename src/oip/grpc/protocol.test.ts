import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadProtocol, serviceNames } from './protocol.ts';

const { inference, health, reflection } = loadProtocol();

test('serves the methods of Triton, KServe and MLServer clients at their paths', () => {
  const paths = [inference, health, reflection].flatMap((service) => Object.values(service).map(({ path }) => path));
  const under = (service: keyof typeof serviceNames, ...methods: string[]): string[] =>
    methods.map((method) => `/${serviceNames[service]}/${method}`);
  assert.deepEqual(paths, [
    ...under('inference', 'ServerLive', 'ServerReady', 'ModelReady', 'ServerMetadata', 'ModelMetadata', 'ModelInfer', 'ModelStreamInfer'),
    ...under('inference', 'ModelConfig', 'ModelStatistics', 'RepositoryIndex', 'RepositoryModelLoad', 'RepositoryModelUnload'),
    ...under('health', 'Check', 'Watch'),
    ...under('reflection', 'ServerReflectionInfo'),
  ]);
});

const x = '0000803f0000004000004040000080bf000000000000003f';
const y = '000040400000a0400000e040000080bf0000803f00000040';

/** Bytes produced by other implementations. */
for (const { what, hex, message } of [
  {
    what: 'a raw request',
    hex: `0a0b746573742d616666696e651a0234322a0d0a01781204465033321a02020332030a01793a18${x}`,
    message: {
      model_name: 'test-affine',
      id: '42',
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['2', '3'], contents: null }],
      outputs: [{ name: 'y' }],
      raw_input_contents: [Buffer.from(x, 'hex')],
    },
  },
  {
    what: 'a typed request',
    hex: `0a0b746573742d616666696e652a290a01781204465033321a0202032a1a3218${x}`,
    message: {
      model_name: 'test-affine',
      id: '',
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['2', '3'], contents: { fp32_contents: [1, 2, 3, -1, 0, 0.5] } }],
      outputs: [],
      raw_input_contents: [],
    },
  },
  {
    what: 'parameters of three types',
    hex: '0a016d220f0a0774696d656f7574120410d08603220e0a087072696f7269747912022801220c0a046e6f746512041a026869',
    message: {
      model_name: 'm',
      parameters: {
        timeout: { int64_param: '50000', parameter_choice: 'int64_param' },
        priority: { uint64_param: '1', parameter_choice: 'uint64_param' },
        note: { string_param: 'hi', parameter_choice: 'string_param' },
      },
    },
  },
]) {
  test(`decodes ${what}`, () => {
    assert.partialDeepStrictEqual(inference['ModelInfer']?.requestDeserialize(Buffer.from(hex, 'hex')), message);
  });
}

test('encodes a raw response to the bytes that clients expect', () => {
  const answer = {
    model_name: 'test-affine',
    model_version: '1',
    id: '42',
    outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 3] }],
    raw_output_contents: [Buffer.from(y, 'hex')],
  };
  const hex = `0a0b746573742d616666696e651201311a0234322a0d0a01791204465033321a0202033218${y}`;
  assert.equal(inference['ModelInfer']?.responseSerialize(answer).toString('hex'), hex);
});
