/** Captures calls whose wire format is unknown to readers of captured calls, such as gRPC and generate. */
import { encodeResponse, type InferRequest, type ModelPlan } from '../codecs/index.ts';
import type { CapturedExchange, WireBody } from '../data-quality/index.ts';
import type { InferenceResult } from '../serving/index.ts';
import type { Tensor } from '../tensor.ts';

/** Records the call as binary bodies of the protocol, which every reader of captured calls understands. */
export function captureTensors(
  capture: CapturedExchange,
  plan: ModelPlan,
  request: InferRequest,
  { outputs, answered }: InferenceResult,
): void {
  const { inputs, rows, id } = request;
  capture.part(0, inputs, outputs, rows, answered?.rung.name);
  const answer = encodeResponse(plan, { id, outputs: request.outputs.map((output) => ({ ...output, binary: true })) }, outputs);
  capture.end(capturedTensors(inputs, id), binaryBody(answer.json, answer.binary ?? []));
}

/** A request as a binary body of the protocol. */
export function capturedTensors(inputs: readonly Tensor[], id: string | undefined): WireBody {
  return binaryBody(
    requestJson(inputs, id),
    inputs.map(({ data }) => data),
  );
}

function requestJson(inputs: readonly Tensor[], id: string | undefined): string {
  const described = inputs.map(({ name, datatype, shape, data }) => ({
    name,
    datatype,
    shape,
    parameters: { binary_data_size: data.byteLength },
  }));
  return JSON.stringify({ id, inputs: described });
}

function binaryBody(json: string, tensors: readonly Uint8Array[]): WireBody {
  const head = Buffer.from(json);
  return { contentType: `application/octet-stream;json-header-size=${head.length}`, body: Buffer.concat([head, ...tensors]) };
}
