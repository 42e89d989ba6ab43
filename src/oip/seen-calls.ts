/** What is told of calls that somebody looks at, where they came in a form that readers of captured calls do not know. */
import { encodeResponse, type InferRequest, type ModelPlan } from '../codecs/index.ts';
import type { SeenCall } from '../monitoring/index.ts';
import type { InferenceResult } from '../serving/index.ts';
import type { Tensor } from '../tensor.ts';

/** Kept in the form of the protocol's binary bodies, which everybody who reads captured calls knows. */
export function tellTensors(call: SeenCall, plan: ModelPlan, request: InferRequest, { outputs }: InferenceResult): void {
  const { inputs, rows, id } = request;
  call.part(0, inputs, outputs, rows);
  const answer = encodeResponse(plan, { id, outputs: request.outputs.map((output) => ({ ...output, binary: true })) }, outputs);
  call.end(
    binaryBody(
      requestJson(inputs, id),
      inputs.map(({ data }) => data),
    ),
    binaryBody(answer.json, answer.binary ?? []),
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

function binaryBody(json: string, tensors: readonly Uint8Array[]): { contentType: string; body: Buffer } {
  const head = Buffer.from(json);
  return { contentType: `application/octet-stream;json-header-size=${head.length}`, body: Buffer.concat([head, ...tensors]) };
}
