/** What the built-in worker reads and writes: a body through `decodeBody`, an echo for a model, and the answer. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ModelPlan } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import { partsOf, type Route } from '../../serving/index.ts';
import { bytesOf, encodeStrings, type Signature, type Tensor, type TensorSpec } from '../../tensor.ts';
import { Answer, type EncodedAnswer } from './answer.ts';
import { decodeBody } from './decode-body.ts';

const x: TensorSpec = { name: 'x', datatype: 'FP32', shape: [-1, 2] };
const numbers: Signature = { inputs: [x], outputs: [{ ...x, name: 'y' }] };
const text: Signature = {
  inputs: [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
  outputs: [{ name: 'label', datatype: 'BYTES', shape: [-1] }],
};
const two: Signature = { inputs: [x, { name: 'mask', datatype: 'INT64', shape: [-1] }], outputs: [{ ...x, name: 'y' }] };
const fixed: Signature = { inputs: [{ ...x, shape: [1, 2] }], outputs: [{ ...x, name: 'y', shape: [1, 2] }] };

interface Asked {
  readonly type?: string;
  readonly accept?: string;
  readonly batchSizeMax?: number;
}

/** The model gives each input back, under the names of the outputs. */
function invoke(signature: Signature, body: string | Buffer, { type, accept, batchSizeMax = 32 }: Asked = {}): EncodedAnswer {
  const batchable = signature !== fixed;
  const plan = new ModelPlan('m', '1', signature, batchable);
  const decoded = decodeBody(plan, type, accept, Buffer.from(body as string));
  const route = { signature, batchable, batchSizeMax } as unknown as Route;
  const parts = partsOf(
    route,
    decoded.documents.flatMap(({ invocations }) => invocations),
  );
  const answer = new Answer(plan, decoded, parts);
  // In the opposite order: the parts of a call come when they come.
  for (const [index, { inputs, rows }] of [...parts.entries()].reverse()) {
    const outputs = signature.outputs.map(({ name }, output): Tensor => ({ ...(inputs[output] as Tensor), name }));
    answer.take(index, outputs, rows);
  }
  return answer.encode();
}

const shown = ({ contentType, body }: EncodedAnswer): [string, string] => [contentType, body.toString('latin1' as never)];
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
const asksBinary = withBinary.replace(/}$/, ',"parameters":{"binary_data_output":true}}');
const whole = Buffer.concat([Buffer.from(withBinary), floats(1, 2, 3, 4)]);

describe('a body is answered in its own form', () => {
  for (const { what, body, type, is } of [
    { what: 'instances', body: instances, type: 'application/json', is: ['application/json', predictions] },
    { what: 'the protocol', body: plain, type: 'application/json; charset=UTF-8', is: ['application/json', answered] },
    { what: 'CSV', body: '1,2\n3,4\n', type: 'text/csv', is: ['text/csv', '1,2\n3,4\n'] },
    { what: 'npy', body: npyFile, type: 'application/x-npy', is: ['application/x-npy', npyFile.toString('latin1')] },
    {
      what: 'binary, its JSON as long as said',
      body: whole,
      type: `${octets};json-header-size=${withBinary.length}`,
      is: [binaryType(), binaryBody],
    },
    {
      what: 'binary of Triton clients',
      body: Buffer.concat([Buffer.from(asksBinary), floats(1, 2, 3, 4)]),
      type: `${triton};json-header-size=${asksBinary.length}`,
      is: [binaryType(triton), binaryBody],
    },
    { what: 'binary that nobody measured', body: whole, type: octets, is: [binaryType(), binaryBody] },
    { what: 'raw bytes', body: floats(1, 2, 3, 4), type: octets, is: [binaryType(), binaryBody] },
    {
      what: 'raw bytes, said to have no JSON',
      body: floats(1, 2, 3, 4),
      type: `${octets}; json-header-size="0"`,
      is: [binaryType(), binaryBody],
    },
    { what: 'instances without a type', body: ` ${instances}`, type: undefined, is: ['application/json', predictions] },
    { what: 'instances as what nobody named', body: instances, type: octets, is: ['application/json', predictions] },
    { what: 'the protocol without a type', body: plain, type: undefined, is: ['application/json', answered] },
    { what: 'npy without a type', body: npyFile, type: undefined, is: ['application/x-npy', npyFile.toString('latin1')] },
    {
      what: 'lines of JSON',
      body: `${instances}\n\n${plain}\r\n{"instances":[[5,6]]}`,
      type: 'application/jsonlines',
      is: ['application/jsonlines', `${predictions}\n${answered}\n{"predictions":[[5,6]]}\n`],
    },
  ]) {
    test(what, () => {
      assert.deepEqual(shown(invoke(numbers, body, type === undefined ? {} : { type })), is);
      assert.deepEqual(shown(invoke(numbers, body, { accept: '*/*', ...(type === undefined ? {} : { type }) })), is);
    });
  }

  test('the protocol by what the request itself asks of its outputs', () => {
    const asked = plain.replace(/}$/, ',"outputs":[{"name":"y","parameters":{"binary_data":true}}]}');
    assert.deepEqual(shown(invoke(numbers, asked, { type: 'application/json' })), [binaryType(), binaryBody]);
    assert.deepEqual(shown(invoke(numbers, asked, { type: 'application/json', accept: 'application/json' })), [
      'application/json',
      answered,
    ]);
  });

  test('text for a model that reads text, whatever it looks like', () => {
    assert.equal(invoke(text, '{"instances":["é","b"]}', { type: 'application/json' }).body, '{"predictions":["é","b"]}');
    assert.equal(invoke(text, 'é\n"a, b"\n', { type: 'text/csv' }).body, 'é\n"a, b"\n');
    assert.match(invoke(text, '{smile}').body.toString(), /"shape":\[1\].*\{smile\}$/s);
  });

  test('several inputs, by name and by column', () => {
    const rows = [
      { x: [1, 2], mask: 1 },
      { x: [3, 4], mask: 0 },
    ];
    assert.equal(invoke(two, JSON.stringify({ instances: rows }), { type: 'application/json' }).body, predictions);
    assert.equal(invoke(two, '1,2,1\n3,4,0\n', { type: 'text/csv' }).body, '1,2\n3,4\n');
  });
});

describe('or in the form that Accept asks for', () => {
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
    test(`${type} as ${accept}`, () => assert.deepEqual(shown(invoke(numbers, body, { type, accept })), is));
  }
});

describe('rows beyond a batch', () => {
  for (const { type, accept } of [
    { type: 'application/json', accept: 'application/json' },
    { type: 'application/json', accept: 'text/csv' },
    { type: 'application/json', accept: 'application/x-npy' },
    { type: 'application/json', accept: octets },
  ]) {
    test(`are answered in order, in one ${accept}`, () => {
      const rows = Array.from({ length: 7 }, (_, row) => [row, -row]);
      const body = JSON.stringify({ instances: rows });
      assert.deepEqual(invoke(numbers, body, { type, accept, batchSizeMax: 2 }), invoke(numbers, body, { type, accept }));
    });
  }

  test('may come by the protocol as well', () => {
    const { body } = invoke(numbers, plain, { type: 'application/json', batchSizeMax: 1 });
    assert.equal(body, answered);
  });

  test('are run one by one where the model takes one', () => {
    assert.equal(invoke(fixed, instances, { type: 'application/json' }).body, predictions);
    assert.equal(invoke(fixed, '1,2\n3,4', { type: 'text/csv' }).body, '1,2\n3,4\n');
    assert.deepEqual(shown(invoke(fixed, npyFile, { type: 'application/x-npy' })), ['application/x-npy', npyFile.toString('latin1')]);
    assert.equal(
      invoke(fixed, `${instances}\n{"instances":[[5,6]]}`, { type: 'application/jsonlines' }).body,
      `${predictions}\n{"predictions":[[5,6]]}\n`,
    );
  });
});

describe('what cannot be served is refused as a container would', () => {
  for (const { what, body, asked = {}, status, says } of [
    {
      what: 'an unknown type',
      body: 'x',
      asked: { type: 'application/xml' },
      status: 415,
      says: /'application\/xml' is not read: send application\/json, text\/csv/,
    },
    { what: 'another charset', body: '1,2', asked: { type: 'text/csv;charset=latin1' }, status: 415, says: /charset 'latin1'/ },
    {
      what: 'an answer nobody writes',
      body: instances,
      asked: { type: 'application/json', accept: 'image/png' },
      status: 406,
      says: /'image\/png': accept one of/,
    },
    {
      what: 'lines as one document',
      body: instances,
      asked: { type: 'application/jsonlines', accept: 'text/csv' },
      status: 406,
      says: /accept one of application\/jsonlines$/,
    },
    { what: 'no JSON', body: '{"instances":', asked: { type: 'application/json' }, says: /not valid JSON/ },
    { what: 'no JSON that was not named', body: '{"instances":', says: /not valid JSON/ },
    { what: 'neither instances nor inputs', body: '{"x":1}', asked: { type: 'application/json' }, says: /"inputs".*"instances"/ },
    {
      what: 'a field beside instances',
      body: '{"instances":[[1,2]],"inputs":[]}',
      asked: { type: 'application/json' },
      says: /unknown field 'inputs'/,
    },
    {
      what: 'a wrong length of the JSON',
      body: plain,
      asked: { type: `${octets};json-header-size=1e3` },
      says: /json-header-size of the content type is '1e3'/,
    },
    { what: 'a length beyond the body', body: plain, asked: { type: `${octets};json-header-size=999999` }, says: /but the body has only/ },
    { what: 'a bad line', body: `${instances}\n[]`, asked: { type: 'application/jsonlines' }, says: /^line 2: / },
    { what: 'no lines', body: '\n', asked: { type: 'application/jsonlines' }, says: /no line/ },
    { what: 'raw bytes of another size', body: Buffer.alloc(7), says: /has 7 bytes/ },
    { what: 'an empty body', body: '', asked: { type: 'application/json' }, says: /empty/ },
    { what: 'rows without elements', body: Buffer.concat([npyHead('(1000000000, 0)')]), says: /got an array of shape/ },
  ]) {
    test(what, () => {
      assert.throws(
        () => invoke(numbers, body, asked),
        (error) =>
          error instanceof PlatformError &&
          error.code === 'invalid_request' &&
          says.test(error.message) &&
          (error as { status?: number }).status === status,
      );
    });
  }

  test('and whatever comes, it is answered or refused', () => {
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
      fc.property(type, body, fc.constantFrom(numbers, text, two, fixed), (given, bytes, signature) => {
        try {
          invoke(signature, bytes, given === undefined ? {} : { type: given });
        } catch (error) {
          assert(error instanceof PlatformError && error.code !== 'internal', String((error as Error).stack));
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('strings come as text that numpy reads', () => {
  const { body } = invoke(text, JSON.stringify({ instances: ['a', 'bc'] }), { type: 'application/json', accept: 'application/x-npy' });
  assert.match(body.toString('latin1' as never), /'descr': '<U2'.*'shape': \(2,\)/s);
  assert.equal(encodeStrings(['a']).length, 5);
});
