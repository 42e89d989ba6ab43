/** Requests of the Open Inference Protocol, in all its forms, as tasks for a thread. */
import { bodyTask, isShortBinary, isShortText } from './body-task.ts';
import { checkJsonCost } from './json-limits.ts';
import { decodeRequest, type InferRequest, requestLimits } from './oip/decode-request.ts';
import { decodeGenerate, type GenerateRequest } from './oip/generate.ts';
import { ModelPlan } from './oip/model-plan.ts';
import { textOf } from './oip/parse-json.ts';
import { decodeMessage, type MessageRequest } from './protobuf/decode-message.ts';
import { type InferMessage, readInferMessage } from './protobuf/infer-message.ts';

type PlanFacts = Pick<ModelPlan, 'model' | 'version' | 'signature' | 'isBatched'>;

interface RequestInput {
  readonly plan: PlanFacts;
  readonly batchSizeMax: number;
  readonly body: Buffer;
}

/** The facts from which a thread rebuilds a plan. */
export function planFacts({ model, version, signature, isBatched }: ModelPlan): PlanFacts {
  return { model, version, signature, isBatched };
}

function planOf({ model, version, signature, isBatched }: PlanFacts): ModelPlan {
  return new ModelPlan(model, version, signature, isBatched);
}

function* bytesOfInputs({ inputs }: InferRequest): Generator<Uint8Array> {
  for (const { data } of inputs) yield data;
}

interface HeadedInput extends RequestInput {
  /** The value of `Inference-Header-Content-Length`. */
  readonly header: string | undefined;
}

/** Counts the JSON of a request without binary tensors. */
export const checkRequestTask = bodyTask(
  import.meta.url,
  'checkRequestTask',
  ({ plan, batchSizeMax, body, header }: HeadedInput): void => {
    if (header !== undefined) return;
    const text = textOf(body);
    checkJsonCost(text, requestLimits(text, plan.signature, batchSizeMax));
  },
  () => [],
);

export const decodeRequestTask = bodyTask(
  import.meta.url,
  'decodeRequestTask',
  ({ plan, batchSizeMax, body, header }: HeadedInput): InferRequest => decodeRequest(planOf(plan), batchSizeMax, body, header),
  bytesOfInputs,
  checkRequestTask,
);

/** For bodies of the generate extension. */
export const decodeGenerateTask = bodyTask(
  import.meta.url,
  'decodeGenerateTask',
  ({ plan, batchSizeMax, body }: RequestInput): GenerateRequest => decodeGenerate(planOf(plan), batchSizeMax, body),
  bytesOfInputs,
);

/** For messages of gRPC. */
export const decodeMessageTask = bodyTask(
  import.meta.url,
  'decodeMessageTask',
  ({ plan, batchSizeMax, body }: RequestInput): MessageRequest => decodeMessage(planOf(plan), batchSizeMax, readInferMessage(body)),
  bytesOfInputs,
);

/**
 * Whether the request is cheap enough to decode in place. That depends on the size of the JSON, and of tensors that are checked element by
 * element.
 */
export function isShortRequest({ signature }: ModelPlan, bodyBytes: number, header: string | undefined): boolean {
  if (isShortText(signature, bodyBytes)) return true;
  if (header === undefined) return false;
  const jsonBytes = Number(header);
  return Number.isInteger(jsonBytes) && isShortText(signature, jsonBytes) && isShortBinary(signature, bodyBytes);
}

/** Like `isShortRequest`, for a parsed message: its typed contents are decoded element by element. */
export function isShortMessage({ signature }: ModelPlan, { inputs }: InferMessage, bodyBytes: number): boolean {
  if (isShortText(signature, bodyBytes)) return true;
  const typedBytes = inputs.reduce((sum, { contents }) => sum + (contents?.length ?? 0), 0);
  return isShortText(signature, typedBytes) && isShortBinary(signature, bodyBytes);
}
