/** Checks the form of inference responses, and whether two of them are equal. */
import assert from 'node:assert/strict';
import { isDatatype, textsOf, valuesOf } from './client/elements.ts';
import type { Json, WireReply } from './client/wire.ts';

/** Requires 200 with JSON, in the exact content type that some clients compare by equality. */
export function ok(reply: WireReply): Json {
  assert(reply.status === 200, `expected 200, got ${formatReply(reply)}`);
  assert(typeof reply.json === 'object' && reply.json !== null, `expected JSON, got ${formatReply(reply)}`);
  assert.equal(reply.headers['content-type'], 'application/json', 'the content type must be exactly application/json');
  return reply.json;
}

/** A binary response: its JSON and the bytes after it. */
export function binaryResponse(reply: WireReply): { readonly json: Json; readonly bytes: Buffer } {
  assert(reply.status === 200, `expected 200, got ${formatReply(reply)}`);
  const length = Number(reply.headers['inference-header-content-length']);
  assert(Number.isInteger(length) && length > 0, 'Inference-Header-Content-Length must be the length of the JSON');
  return { json: JSON.parse(reply.body.subarray(0, length).toString()) as Json, bytes: reply.body.subarray(length) };
}

/** The member `outputs`, which must be an array. */
export function outputsOf(answer: Json): Json[] {
  const { outputs } = answer;
  assert(Array.isArray(outputs), `the response must have an array 'outputs', got ${typeof outputs}`);
  return outputs as Json[];
}

export function firstOutput(answer: Json): Json {
  const [output] = outputsOf(answer);
  assert(output !== undefined, 'the response must have an output');
  return output;
}

export function outputOf(answer: Json, name: string): Json {
  const output = outputsOf(answer).find((each) => each['name'] === name);
  assert(output !== undefined, `the response must have an output '${name}'`);
  return output;
}

export function outputNames(answer: Json): unknown[] {
  return outputsOf(answer).map((output) => output['name']);
}

/** Compares tensors in any order. Floats may differ slightly, because the batch size affects rounding. */
export function assertSame(answer: Json, expected: Json): void {
  assert.deepEqual(new Set(outputNames(answer)), new Set(outputNames(expected)), 'the outputs must equal those of the plain request (C6)');
  for (const want of outputsOf(expected)) assertSameTensor(outputOf(answer, String(want['name'])), want);
}

/** Compares datatype, shape and elements (numbers to 1e-5); parameters may differ. */
export function assertSameTensor(got: Json, want: Json): void {
  const name = String(want['name']);
  assert.deepEqual(
    { datatype: got['datatype'], shape: got['shape'] },
    { datatype: want['datatype'], shape: want['shape'] },
    `output '${name}'`,
  );
  const [values, wanted] = [flat(got['data']), flat(want['data'])];
  assert(values.length === wanted.length, `output '${name}': expected ${wanted.length} elements, got ${values.length}`);
  for (const [index, value] of values.entries()) {
    const expected = wanted[index];
    assert(isNear(value, expected), `output '${name}': element ${index} must be ${String(expected)}, got ${String(value)}`);
  }
}

function isNear(value: unknown, expected: unknown): boolean {
  if (value === expected) return true;
  const [a, b] = [Number(value), Number(expected)];
  return typeof value !== 'string' && Math.abs(a - b) <= 1e-5 * Math.max(1, Math.abs(b));
}

/** The elements of a tensor in row-major order, whether the server nests `data` or not. */
export function flat(data: unknown): unknown[] {
  assert(Array.isArray(data), `'data' must be an array, got ${typeof data}`);
  return data.flat(Number.POSITIVE_INFINITY) as unknown[];
}

/** Converts binary outputs to their JSON form. Their bytes follow in the order of the outputs. */
export function decoded({ json, bytes }: { readonly json: Json; readonly bytes: Buffer }): Json {
  let offset = 0;
  const outputs = outputsOf(json).map((output) => {
    const size = (output['parameters'] as Json | undefined)?.['binary_data_size'];
    if (size === undefined) return output;
    assert(Number.isSafeInteger(size), `output '${String(output['name'])}' must have a numeric binary_data_size`);
    assert(!('data' in output), `output '${String(output['name'])}' is binary and must not have 'data'`);
    const data = elements(output['datatype'], bytes.subarray(offset, offset + Number(size)));
    offset += Number(size);
    return { ...output, data };
  });
  assert(offset === bytes.length, `the sizes of the binary outputs add up to ${offset}, but ${bytes.length} bytes follow the JSON`);
  return { ...json, outputs };
}

/** Converts raw bytes to the values that JSON would have. 64-bit integers become numbers if that is exact. */
export function elements(datatype: unknown, bytes: Uint8Array): unknown[] {
  assert(isDatatype(datatype), `${String(datatype)} is not a datatype of the protocol`);
  if (datatype === 'BYTES') return textsOf(bytes);
  const values = valuesOf(datatype, bytes);
  if (datatype === 'BOOL') return values.map((value) => value === 1);
  return values.map((value) => (typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value));
}

/** For messages of failed cases. */
export function formatReply({ status, body }: WireReply): string {
  return `${status}: ${body.toString().slice(0, 300) || '(no body)'}`;
}
