/** Decodes the protobuf message of an inference into tensors, with the same checks as its JSON form. */
import { datatypes, elementCount } from '../../tensor.ts';
import { checkContent } from '../oip/binary-data.ts';
import { decodeTensors, type InferRequest, type RequestInput } from '../oip/decode-request.ts';
import type { ModelPlan } from '../oip/model-plan.ts';
import { invalidRequest } from '../oip/request-errors.ts';
import type { InferMessage, InputMessage } from './infer-message.ts';
import { hasTypedContents, readTypedContents } from './typed-contents.ts';

/** A request from gRPC. */
export interface MessageRequest extends InferRequest {
  /** The response has the form of the request: raw or typed contents. */
  readonly isRaw: boolean;
}

/**
 * `batchSizeMax` is the maximum rows per request (0: no limit). Throws `invalid_request`, and `unsupported` for shared memory and
 * sequences.
 */
export function decodeMessage(plan: ModelPlan, batchSizeMax: number, message: InferMessage): MessageRequest {
  const { id, parameters, inputs, outputs, raw } = message;
  const isTyped = inputs.some(({ contents }) => contents !== null);
  if (raw.length > 0 && isTyped) {
    throw invalidRequest(`the inputs are partly in raw_input_contents and partly in typed contents, expected all raw or all typed`);
  }
  const readInput = (input: RequestInput, shape: readonly number[], order: number): Uint8Array => {
    if (raw.length === 0) return readTyped(input, shape);
    if (raw.length !== inputs.length) {
      throw invalidRequest(
        `raw_input_contents has ${raw.length} entries for ${inputs.length} inputs, expected one for each, in their order`,
      );
    }
    return checkedRaw(input, shape, raw[order] as Buffer);
  };
  const request = { id: id === '' ? undefined : id, parameters, inputs, outputs };
  const decoded = decodeTensors(plan, batchSizeMax, request, readInput, nothingMore, false);
  // A datatype without typed contents cannot be part of a typed response.
  const isRaw = !isTyped || decoded.outputs.some(({ index, classes }) => classes === 0 && !isTypable(plan, index));
  return { ...decoded, isRaw };
}

function nothingMore(): void {}

function isTypable(plan: ModelPlan, output: number): boolean {
  const spec = plan.signature.outputs[output];
  return spec !== undefined && hasTypedContents(spec.datatype);
}

function readTyped({ spec, fields }: RequestInput, shape: readonly number[]): Uint8Array {
  const { contents } = fields as InputMessage;
  if (contents === null && elementCount(shape) > 0) {
    throw invalidRequest(`input '${spec.name}': it has no elements, expected them in its contents or in raw_input_contents`);
  }
  return readTypedContents(spec, shape, contents ?? Buffer.alloc(0));
}

function checkedRaw({ spec }: RequestInput, shape: readonly number[], data: Buffer): Uint8Array {
  const { bytes } = datatypes[spec.datatype];
  const needed = bytes === null ? null : elementCount(shape) * bytes;
  if (needed !== null && data.length !== needed) {
    throw invalidRequest(
      `input '${spec.name}': raw_input_contents has ${data.length} bytes, shape [${shape.join(',')}] of ${spec.datatype} needs ${needed}`,
    );
  }
  checkContent(spec, shape, data);
  return data;
}
