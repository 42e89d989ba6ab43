/** The formats of the built-in worker, end to end: `decodeModelBody`, a model that echoes its inputs, and the encoded response. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ModelPlan } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import { partsOf, realTimeRows, type ServedRoute } from '../../serving/index.ts';
import { bytesOf, encodeStrings, jsonSignature, type Signature, type Tensor, type TensorSpec } from '../../tensor.ts';
import { decodeModelBody } from './decode-body.ts';
import { type EncodedBody, InvocationResponse } from './invocation-response.ts';

const x: TensorSpec = { name: 'x', datatype: 'FP32', shape: [-1, 2] };
const numbers: Signature = { inputs: [x], outputs: [{ ...x, name: 'y' }] };
const text: Signature = {
  inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
  outputs: [{ name: 'label', datatype: 'BYTES', shape: [-1] }],
};
const two: Signature = { inputs: [x, { name: 'mask', datatype: 'INT64', shape: [-1] }], outputs: [{ ...x, name: 'y' }] };
const fixed: Signature = { inputs: [{ ...x, shape: [1, 2] }], outputs: [{ ...x, name: 'y', shape: [1, 2] }] };

interface CallOptions {
  readonly type?: string;
  readonly accept?: string;
  readonly batchSizeMax?: number;
}

/** The model returns each input under the name of the output. */
function invoke(signature: Signature, body: string | Buffer, { type, accept, batchSizeMax = 32 }: CallOptions = {}): EncodedBody {
  const batchable = signature !== fixed;
  const plan = new ModelPlan('m', '1', signature, batchable);
  const decoded = decodeModelBody({
    plan,
    contentType: type,
    accept,
    body: Buffer.from(body as string),
    limits: realTimeRows({ batchable }),
  });
  const route = { signature, batchable, batchSizeMax } as unknown as ServedRoute;
  const parts = partsOf(
    route,
    decoded.documents.flatMap(({ invocations }) => invocations),
  );
  const answer = new InvocationResponse(plan, decoded, parts);
  // In reverse order: parts may arrive in any order.
  for (const [index, { inputs, rows }] of [...parts.entries()].reverse()) {
    const outputs = signature.outputs.map(({ name }, output): Tensor => ({ ...(inputs[output] as Tensor), name }));
    answer.addPart(index, outputs, rows);
  }
  const { contentType, body: encoded } = answer.encode();
  // The text of many parts is bytes already.
  const isText = ['application/json', 'text/csv'].includes(contentType);
  return { contentType, body: isText ? encoded.toString() : encoded };
}

const formatted = ({ contentType, body }: EncodedBody): [string, string] => [contentType, body.toString('latin1' as never)];
const floats = (...values: number[]): Buffer => Buffer.from(bytesOf(new Float32Array(values)));
const protocol = (parameters: object = {}): string =>
  JSON.stringify({ inputs: [{ name: 'x', shape: [2, 2], datatype: 'FP32', ...parameters }] });
const plain = protocol({ data: [1, 2, 3, 4] });
const withBinary = protocol({ parameters: { binary_data_size: 16 } });
const answered = '{"model_name":"m","model_version":"1","outputs":[{"name":"y","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}';
const answeredBinary =
  '{"model_name":"m","model_version":"1","outputs":[{"name":"y","shape":[2,2],"datatype":"FP32","parameters":{"binary_data_size":16}}]}';
const npyHead = (shape: string): Buffer =>
  Buffer.concat([
    Buffer.from('\x93NUMPY\x01\x00v\x00', 'latin1'),
    Buffer.from(`${`{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`.padEnd(117)}\n`),
  ]);
const npyFile = Buffer.concat([npyHead('(2, 2)'), floats(1, 2, 3, 4)]);
const binaryType = (type = 'application/octet-stream'): string => `${type};json-header-size=${answeredBinary.length}`;
const binaryBody = Buffer.concat([Buffer.from(answeredBinary), floats(1, 2, 3, 4)]).toString('latin1');

const instances = '{"instances":[[1,2],[3,4]]}';
const predictions = '{"predictions":[[1,2],[3,4]]}';
const octets = 'application/octet-stream';
const triton = 'application/vnd.sagemaker-triton.binary+json';
const requestsBinary = withBinary.replace(/}$/, ',"parameters":{"binary_data_output":true}}');
const whole = Buffer.concat([Buffer.from(withBinary), floats(1, 2, 3, 4)]);

describe('responds in the format of the request', () => {
  for (const { what, body, type, is } of [
    { what: 'instances', body: instances, type: 'application/json', is: ['application/json', predictions] },
    { what: 'the protocol', body: plain, type: 'application/json; charset=UTF-8', is: ['application/json', answered] },
    { what: 'CSV', body: '1,2\n3,4\n', type: 'text/csv', is: ['text/csv', '1,2\n3,4\n'] },
    { what: 'npy', body: npyFile, type: 'application/x-npy', is: ['application/x-npy', npyFile.toString('latin1')] },
    {
      what: 'binary with json-header-size',
      body: whole,
      type: `${octets};json-header-size=${withBinary.length}`,
      is: [binaryType(), binaryBody],
    },
    {
      what: 'binary in the format of Triton clients',
      body: Buffer.concat([Buffer.from(requestsBinary), floats(1, 2, 3, 4)]),
      type: `${triton};json-header-size=${requestsBinary.length}`,
      is: [binaryType(triton), binaryBody],
    },
    { what: 'binary without json-header-size', body: whole, type: octets, is: [binaryType(), binaryBody] },
    { what: 'raw bytes', body: floats(1, 2, 3, 4), type: octets, is: [binaryType(), binaryBody] },
    {
      what: 'raw bytes with json-header-size 0',
      body: floats(1, 2, 3, 4),
      type: `${octets}; json-header-size="0"`,
      is: [binaryType(), binaryBody],
    },
    { what: 'instances without a type', body: ` ${instances}`, type: undefined, is: ['application/json', predictions] },
    { what: 'instances as application/octet-stream', body: instances, type: octets, is: ['application/json', predictions] },
    { what: 'the protocol without a type', body: plain, type: undefined, is: ['application/json', answered] },
    { what: 'npy without a type', body: npyFile, type: undefined, is: ['application/x-npy', npyFile.toString('latin1')] },
    {
      what: 'JSON lines',
      body: `${instances}\n\n${plain}\r\n{"instances":[[5,6]]}`,
      type: 'application/jsonlines',
      is: ['application/jsonlines', `${predictions}\n${answered}\n{"predictions":[[5,6]]}\n`],
    },
  ]) {
    test(what, () => {
      assert.deepEqual(formatted(invoke(numbers, body, type === undefined ? {} : { type })), is);
      assert.deepEqual(formatted(invoke(numbers, body, { accept: '*/*', ...(type === undefined ? {} : { type }) })), is);
    });
  }

  test('the protocol with the output formats in the request, unless Accept overrides them', () => {
    const requested = plain.replace(/}$/, ',"outputs":[{"name":"y","parameters":{"binary_data":true}}]}');
    assert.deepEqual(formatted(invoke(numbers, requested, { type: 'application/json' })), [binaryType(), binaryBody]);
    assert.deepEqual(formatted(invoke(numbers, requested, { type: 'application/json', accept: 'application/json' })), [
      'application/json',
      answered,
    ]);
  });

  test('text for a text model, even if it looks like JSON', () => {
    assert.equal(invoke(text, '{"instances":["é","b"]}', { type: 'application/json' }).body, '{"predictions":["é","b"]}');
    assert.equal(invoke(text, 'é\n"a, b"\n', { type: 'text/csv' }).body, 'é\n"a, b"\n');
    assert.match(invoke(text, '{smile}').body.toString(), /"shape":\[1\].*\{smile\}$/s);
  });

  test('several inputs by name and by column', () => {
    const rows = [
      { x: [1, 2], mask: 1 },
      { x: [3, 4], mask: 0 },
    ];
    assert.equal(invoke(two, JSON.stringify({ instances: rows }), { type: 'application/json' }).body, predictions);
    assert.equal(invoke(two, '1,2,1\n3,4,0\n', { type: 'text/csv' }).body, '1,2\n3,4\n');
  });
});

describe('responds in the format that Accept names', () => {
  for (const { body, type, accept, is } of [
    { body: '1,2\n3,4', type: 'text/csv', accept: 'application/json', is: ['application/json', predictions] },
    { body: instances, type: 'application/json', accept: 'text/csv', is: ['text/csv', '1,2\n3,4\n'] },
    { body: plain, type: 'application/json', accept: 'text/csv', is: ['text/csv', '1,2\n3,4\n'] },
    { body: '1,2\n3,4', type: 'text/csv', accept: 'application/x-npy', is: ['application/x-npy', npyFile.toString('latin1')] },
    { body: plain, type: 'application/json', accept: octets, is: [binaryType(), binaryBody] },
    { body: instances, type: 'application/json', accept: octets, is: [binaryType(), binaryBody] },
    { body: instances, type: 'application/json', accept: triton, is: [binaryType(triton), binaryBody] },
    { body: whole, type: octets, accept: 'application/json', is: ['application/json', answered] },
    {
      body: npyFile,
      type: 'application/x-npy',
      accept: 'text/html, application/json;q=0.5, text/csv;q=0.8',
      is: ['text/csv', '1,2\n3,4\n'],
    },
    { body: instances, type: 'application/json', accept: 'application/*', is: ['application/json', predictions] },
    { body: instances, type: 'application/json', accept: 'text/*', is: ['text/csv', '1,2\n3,4\n'] },
    { body: instances, type: 'application/json', accept: 'text/html;q=0.9, */*;q=0.1', is: ['application/json', predictions] },
  ]) {
    test(`${type} as ${accept}`, () => assert.deepEqual(formatted(invoke(numbers, body, { type, accept })), is));
  }
});

describe('rows beyond a batch', () => {
  for (const { type, accept } of [
    { type: 'application/json', accept: 'application/json' },
    { type: 'application/json', accept: 'text/csv' },
    { type: 'application/json', accept: 'application/x-npy' },
    { type: 'application/json', accept: octets },
  ]) {
    test(`are split, and the response is one ${accept} in the request's order`, () => {
      const rows = Array.from({ length: 7 }, (_, row) => [row, -row]);
      const body = JSON.stringify({ instances: rows });
      assert.deepEqual(invoke(numbers, body, { type, accept, batchSizeMax: 2 }), invoke(numbers, body, { type, accept }));
    });
  }

  test('are split in requests of the Open Inference Protocol, too', () => {
    const { body } = invoke(numbers, plain, { type: 'application/json', batchSizeMax: 1 });
    assert.equal(body, answered);
  });

  test('run one by one if the model is not batchable', () => {
    assert.equal(invoke(fixed, instances, { type: 'application/json' }).body, predictions);
    assert.equal(invoke(fixed, '1,2\n3,4', { type: 'text/csv' }).body, '1,2\n3,4\n');
    assert.deepEqual(formatted(invoke(fixed, npyFile, { type: 'application/x-npy' })), ['application/x-npy', npyFile.toString('latin1')]);
    assert.equal(
      invoke(fixed, `${instances}\n{"instances":[[5,6]]}`, { type: 'application/jsonlines' }).body,
      `${predictions}\n{"predictions":[[5,6]]}\n`,
    );
  });
});

describe('rejects with the status a container would return:', () => {
  for (const { what, body, options = {}, status, message } of [
    {
      what: 'an unknown type',
      body: 'x',
      options: { type: 'application/xml' },
      status: 415,
      message: /unsupported content type 'application\/xml': expected one of application\/json, text\/csv/,
    },
    {
      what: 'an unsupported charset',
      body: '1,2',
      options: { type: 'text/csv;charset=latin1' },
      status: 415,
      message: /unsupported charset 'latin1'/,
    },
    {
      what: 'an unsupported Accept',
      body: instances,
      options: { type: 'application/json', accept: 'image/png' },
      status: 406,
      message: /'image\/png': expected one of/,
    },
    {
      what: 'JSON lines with another Accept',
      body: instances,
      options: { type: 'application/jsonlines', accept: 'text/csv' },
      status: 406,
      message: /expected one of application\/jsonlines$/,
    },
    { what: 'invalid JSON', body: '{"instances":', options: { type: 'application/json' }, message: /not valid JSON/ },
    { what: 'invalid JSON without a content type', body: '{"instances":', message: /not valid JSON/ },
    { what: 'neither instances nor inputs', body: '{"x":1}', options: { type: 'application/json' }, message: /"inputs".*"instances"/ },
    {
      what: 'an unknown field next to instances',
      body: '{"instances":[[1,2]],"inputs":[]}',
      options: { type: 'application/json' },
      message: /unknown field 'inputs'/,
    },
    {
      what: 'an invalid json-header-size',
      body: plain,
      options: { type: `${octets};json-header-size=1e3` },
      message: /json-header-size of the content type is '1e3'/,
    },
    {
      what: 'a json-header-size beyond the body',
      body: plain,
      options: { type: `${octets};json-header-size=999999` },
      message: /but the body has only/,
    },
    { what: 'an invalid line', body: `${instances}\n[]`, options: { type: 'application/jsonlines' }, message: /^line 2: / },
    { what: 'an empty body of JSON lines', body: '\n', options: { type: 'application/jsonlines' }, message: /no lines/ },
    { what: 'raw bytes of the wrong size', body: Buffer.alloc(7), message: /has 7 bytes/ },
    { what: 'an empty body', body: '', options: { type: 'application/json' }, message: /empty/ },
    { what: 'rows without elements', body: Buffer.concat([npyHead('(1000000000, 0)')]), message: /got an array of shape/ },
  ]) {
    test(what, () => {
      assert.throws(
        () => invoke(numbers, body, options),
        (error) =>
          error instanceof PlatformError &&
          error.code === 'invalid_request' &&
          message.test(error.message) &&
          (error as { status?: number }).status === status,
      );
    });
  }

  test('an arbitrary body, if it is invalid, and never with an internal error', () => {
    const type = fc.constantFrom(
      undefined,
      'application/json',
      'text/csv',
      'application/x-npy',
      octets,
      'application/jsonlines',
      `${octets};json-header-size=5`,
    );
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .tuple(fc.constantFrom(whole, npyFile, Buffer.from(plain), Buffer.from(instances)), fc.nat(400), fc.nat(255))
        .map(([from, at, byte]) => {
          const changed = Buffer.from(from);
          changed[at % changed.length] = byte;
          return changed;
        }),
    );
    fc.assert(
      fc.property(type, body, fc.constantFrom(numbers, text, two, fixed), (input, bytes, signature) => {
        try {
          invoke(signature, bytes, input === undefined ? {} : { type: input });
        } catch (error) {
          assert(error instanceof PlatformError && error.code !== 'internal', String((error as Error).stack));
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('rows by the names of their columns', () => {
  const named: Signature = { ...numbers, inputs: [{ ...x, columns: ['a', 'b'] }] };
  for (const body of [
    {
      instances: [
        { b: 2, a: 1 },
        { b: 4, a: 3 },
      ],
    },
    {
      dataframe_split: {
        columns: ['b', 'a'],
        data: [
          [2, 1],
          [4, 3],
        ],
      },
    },
    { inputs: { b: [2, 4], a: [1, 3] } },
  ]) {
    assert.equal(invoke(named, JSON.stringify(body), { type: 'application/json' }).body, predictions);
  }
  assert.throws(() => invoke(named, '{"dataframe_records":[{"a":1}]}', { type: 'application/json' }), /lacks the column 'b'/);
});

describe('rows of JSON', () => {
  const rows = (body: string, options: CallOptions = {}) =>
    formatted(invoke(jsonSignature, body, { type: 'application/json', ...options }));
  const jsonType = 'application/json';
  const linesType = 'application/jsonlines';
  for (const { what, body, options, is } of [
    { what: 'one row, answered by its result', body: '{"a":9007199254740993}', is: [jsonType, '{"a":9007199254740993}'] },
    { what: 'one row without a content type', body: '["a"]', options: { type: octets }, is: [jsonType, '["a"]'] },
    { what: 'text, which is a string', body: 'a "b"', options: { type: 'text/plain' }, is: [jsonType, String.raw`"a \"b\""`] },
    { what: 'tensors of other models, which are a row', body: plain, is: [jsonType, plain] },
    {
      what: 'instances, also in several batches',
      body: '{"instances":[1,"b",{"c":3}]}',
      options: { batchSizeMax: 2, accept: 'application/json;q=0.9, */*;q=0.1' },
      is: [jsonType, '{"predictions":[1,"b",{"c":3}]}'],
    },
    {
      what: 'lines, also in several batches',
      body: '1\n{"instances":[2]}\n3',
      options: { type: linesType, batchSizeMax: 2 },
      is: [linesType, '1\n{"instances":[2]}\n3\n'],
    },
  ] as const satisfies readonly { what: string; body: string; options?: CallOptions; is: readonly string[] }[]) {
    test(what, () => assert.deepEqual(rows(body, options), is));
  }

  test('tensors as binary data with a size', () => {
    const input = { name: 'request', shape: [1], datatype: 'BYTES', parameters: { binary_data_size: 5 } };
    const head = JSON.stringify({ inputs: [input] });
    const type = `${octets};json-header-size=${head.length}`;
    const { body } = invoke(jsonSignature, Buffer.concat([Buffer.from(head), encodeStrings(['7'])]), { type });
    assert.match(body.toString(), /"name":"response","shape":\[1\],"datatype":"BYTES"/);
    assert.throws(() => invoke(jsonSignature, Buffer.concat([Buffer.from(head), encodeStrings(['x'])]), { type }), /element 0 is not JSON/);
  });

  for (const [what, body, options, status, message] of [
    ['malformed JSON', '{a', {}, undefined, /the body is not JSON/],
    ['a malformed line', '1\n{a', { type: linesType }, undefined, /line 2 is not JSON/],
    ['CSV', '1,2', { type: 'text/csv' }, 415, /expected one of application\/json, application\/jsonlines, text\/plain/],
    ['an Accept of CSV', '1', { accept: 'text/csv' }, 406, /expected one of application\/json/],
  ] as const satisfies readonly (readonly [string, string, CallOptions, number | undefined, RegExp])[]) {
    test(`rejects ${what}`, () => {
      assert.throws(
        () => rows(body, options),
        (error) => error instanceof PlatformError && message.test(error.message) && (error as { status?: number }).status === status,
      );
    });
  }
});

test('encodes strings as npy unicode arrays', () => {
  const { body } = invoke(text, JSON.stringify({ instances: ['a', 'bc'] }), { type: 'application/json', accept: 'application/x-npy' });
  assert.match(body.toString('latin1' as never), /'descr': '<U2'.*'shape': \(2,\)/s);
  assert.equal(encodeStrings(['a']).length, 5);
});
