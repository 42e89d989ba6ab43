/**
 * The response to an inference request, assembled from text prepared in the plan. Outputs are JSON unless binary was requested; binary
 * outputs follow the JSON unchanged.
 */
import type { Tensor } from '../../tensor.ts';
import { classify } from './classification.ts';
import type { InferRequest } from './decode-request.ts';
import { jsonElements } from './json-elements.ts';
import type { ModelPlan, RequestedOutput } from './model-plan.ts';

/** The JSON part, and what follows it. */
export interface EncodedResponse {
  readonly json: string;
  /** The binary outputs, in order; null if none was requested. */
  readonly binary: readonly Uint8Array[] | null;
}

/**
 * `parameters` is the JSON text of the response's parameters, if any. Throws `invalid_request` if JSON cannot represent an
 * output.
 */
export function encodeResponse(
  plan: ModelPlan,
  request: Pick<InferRequest, 'id' | 'outputs'>,
  tensors: readonly Tensor[],
  parameters?: string,
): EncodedResponse {
  let json = plan.answerStart;
  if (request.id !== undefined) json += `,"id":${JSON.stringify(request.id)}`;
  if (parameters !== undefined) json += `,"parameters":${parameters}`;
  json += ',"outputs":[';
  let binary: Uint8Array[] | null = null;
  for (let order = 0; order < request.outputs.length; order++) {
    const output = request.outputs[order] as RequestedOutput;
    const whole = tensors[output.index] as Tensor;
    const tensor = output.classes > 0 ? classify(whole, output.classes, plan.isBatched) : whole;
    const datatype = output.classes > 0 ? '],"datatype":"BYTES"' : plan.outputDatatypes[output.index];
    if (order > 0) json += ',';
    json += (plan.outputStarts[output.index] as string) + tensor.shape.join(',') + datatype;
    if (output.binary) {
      json += `,"parameters":{"binary_data_size":${tensor.data.byteLength}}}`;
      binary ??= [];
      binary.push(tensor.data);
    } else {
      json += `,"data":[${jsonElements(tensor)}]}`;
    }
  }
  return { json: `${json}]}`, binary };
}
