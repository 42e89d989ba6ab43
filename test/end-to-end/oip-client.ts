/** A client of the Open Inference Protocol that sends and returns tensors, as JSON or binary. */
import assert from 'node:assert/strict';
import { bytesOf, type Datatype, elementCount, elementsOf, encodeStrings, newArray, type Tensor, walkStrings } from '../../src/tensor.ts';

export interface InferOptions {
  /** Binary is exact for every datatype; JSON is the most common. */
  readonly form?: 'binary' | 'json';
  readonly version?: number;
  /** The timeout parameter of the request, in milliseconds. */
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Inferred {
  readonly status: number;
  /** Null on success. */
  readonly error: { readonly error: string; readonly code: string } | null;
  readonly outputs: readonly Tensor[];
  readonly version: string;
  /** The rows of the batch that the request was part of. */
  readonly batchRows: number;
}

interface OutputText {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data?: readonly (string | number | boolean)[];
  readonly parameters?: { readonly binary_data_size?: number };
}

interface AnswerText {
  readonly model_version: string;
  readonly outputs: readonly OutputText[];
  readonly parameters: { readonly batch_size: number };
}

export async function infer(url: string, endpoint: string, inputs: readonly Tensor[], options: InferOptions = {}): Promise<Inferred> {
  const { form = 'binary', version, headers = {}, signal } = options;
  const path = version === undefined ? endpoint : `${endpoint}/versions/${version}`;
  const { body, headerLength } = form === 'json' ? jsonBody(inputs, options) : binaryBody(inputs, options);
  const response = await fetch(`${url}/v2/models/${path}/infer`, {
    method: 'POST',
    headers: { ...headers, ...(headerLength === null ? {} : { 'inference-header-content-length': String(headerLength) }) },
    body,
    ...(signal === undefined ? {} : { signal }),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const { status } = response;
  if (status !== 200) {
    const text = new TextDecoder().decode(bytes);
    return { status, error: JSON.parse(text) as { error: string; code: string }, outputs: [], version: '', batchRows: 0 };
  }
  const jsonBytes = Number(response.headers.get('inference-header-content-length') ?? bytes.length);
  const answer = JSON.parse(new TextDecoder().decode(bytes.subarray(0, jsonBytes))) as AnswerText;
  let from = jsonBytes;
  const outputs = answer.outputs.map((output) => {
    const size = output.parameters?.binary_data_size;
    const data = size === undefined ? bytesOfJson(output) : bytes.subarray(from, (from += size));
    return { name: output.name, datatype: output.datatype, shape: output.shape, data };
  });
  assert.equal(from, form === 'json' ? jsonBytes : bytes.length, 'no bytes follow the outputs');
  return { status, error: null, outputs, version: answer.model_version, batchRows: answer.parameters.batch_size };
}

function parametersOf({ timeoutMs }: InferOptions, isBinary: boolean): Record<string, unknown> {
  return {
    timings: true,
    ...(isBinary ? { binary_data_output: true } : {}),
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs * 1000 }),
  };
}

function jsonBody(inputs: readonly Tensor[], options: InferOptions) {
  const tensors = inputs.map((tensor) => {
    const { name, datatype, shape } = tensor;
    return `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":${JSON.stringify(shape)},"data":[${elementTexts(tensor).join(',')}]}`;
  });
  return { body: `{"parameters":${JSON.stringify(parametersOf(options, false))},"inputs":[${tensors.join(',')}]}`, headerLength: null };
}

function binaryBody(inputs: readonly Tensor[], options: InferOptions) {
  const described = inputs.map(({ name, datatype, shape, data }) => ({
    name,
    datatype,
    shape,
    parameters: { binary_data_size: data.byteLength },
  }));
  const header = Buffer.from(JSON.stringify({ parameters: parametersOf(options, true), inputs: described }));
  return { body: Buffer.concat([header, ...inputs.map(({ data }) => data)]), headerLength: header.length };
}

function elementTexts({ datatype, data }: Tensor): string[] {
  if (datatype !== 'BYTES') return Array.from(elementsOf(datatype, data), String);
  const texts: string[] = [];
  walkStrings(data, (start, end) => texts.push(JSON.stringify(new TextDecoder().decode(data.subarray(start, end)))));
  return texts;
}

function bytesOfJson({ datatype, shape, data = [] }: OutputText): Uint8Array {
  assert.equal(data.length, elementCount(shape));
  if (datatype === 'BYTES') return encodeStrings(data.map(String));
  const array = newArray(datatype, data.length);
  for (const [i, value] of data.entries()) {
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[i] = BigInt(value);
    else array[i] = Number(value);
  }
  return bytesOf(array);
}

export function floats(name: string, shape: readonly number[], values: readonly number[]): Tensor {
  return { name, datatype: 'FP32', shape, data: bytesOf(new Float32Array(values)) };
}

export function integers(name: string, shape: readonly number[], values: readonly (number | bigint)[]): Tensor {
  return { name, datatype: 'INT64', shape, data: bytesOf(new BigInt64Array(values.map(BigInt))) };
}

/** Inputs of test_slow_loop, which takes about 4 µs per turn. */
export function slowRun(turns: number | bigint): Tensor[] {
  return [floats('x', [1, 256], new Array<number>(256).fill(0)), integers('iters', [], [turns])];
}
