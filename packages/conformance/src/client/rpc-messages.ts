/** Inference requests and responses over gRPC, with tensors as raw bytes or as typed lists. */
import assert from 'node:assert/strict';
import { elements } from '../assertions.ts';
import type { Datatype } from './elements.ts';
import type { RpcReply } from './rpc.ts';
import { bytesOfInput, type Input } from './subject.ts';
import type { Json } from './wire.ts';

/** FP16 is missing because it is always raw. */
export const contentsOf: Partial<Record<Datatype, string>> = {
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
};

export type TensorForm = 'raw' | 'typed';

export function inferRequest(model: string, inputs: readonly Input[], form: TensorForm, more: Json = {}): Json {
  return form === 'raw'
    ? { model_name: model, inputs: inputs.map(requestHead), raw_input_contents: inputs.map(bytesOfInput), ...more }
    : { model_name: model, inputs: inputs.map(typedInput), ...more };
}

export function requestHead({ name, datatype, shape }: Input): Json {
  return { name, datatype, shape };
}

export function typedInput(input: Input): Json {
  const { datatype, data } = input;
  const values = datatype === 'BYTES' ? data.map((text) => Buffer.from(String(text))) : data;
  return { ...requestHead(input), contents: { [contentsOf[datatype] ?? '']: values } };
}

/** The message of a successful call. */
export function validRequest({ code, details, message }: RpcReply): Json {
  assert(code === 'OK' && message !== null, `expected OK, got ${code}: ${details}`);
  return message;
}

export interface InferReply {
  readonly form: TensorForm;
  /** In the JSON form of the REST API. */
  readonly answer: Json;
}

export function inferReply(message: Json): InferReply {
  const raw = message['raw_output_contents'] as Buffer[];
  const outputs = message['outputs'] as Json[];
  const form = raw.length > 0 ? 'raw' : 'typed';
  if (form === 'raw') assert.equal(raw.length, outputs.length, 'raw_output_contents must have an entry for each output');
  const read = outputs.map((output, index) => {
    const { name, datatype, shape, contents } = output as { name: string; datatype: Datatype; shape: string[]; contents: Json | null };
    if (form === 'raw') assert(isUnset(contents), `output '${name}': 'contents' must not be set in a raw response`);
    const data = form === 'raw' ? elements(datatype, raw[index] as Buffer) : typedElements(datatype, contents);
    return { name, datatype, shape: shape.map(Number), data };
  });
  return { form, answer: { ...message, outputs: read } };
}

/** Some servers set an empty message, which clients treat as unset. */
function isUnset(contents: Json | null): boolean {
  return contents === null || Object.values(contents).every((values) => (values as unknown[]).length === 0);
}

/** 64-bit integers arrive as text, and remain text if a number would not be exact. */
function typedElements(datatype: Datatype, contents: Json | null): unknown[] {
  const values = (contents?.[contentsOf[datatype] ?? ''] ?? []) as unknown[];
  if (datatype === 'BYTES') return (values as Buffer[]).map(String);
  if (datatype !== 'INT64' && datatype !== 'UINT64') return values;
  return values.map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : BigInt(value as string)));
}
