/**
 * The generate extension: plain JSON for models with text input and output. A key that names an input holds its data, a value or a list;
 * other keys are parameters. The response has a key per output.
 */
import { elementCount, type Tensor, type TensorSpec } from '../../tensor.ts';
import { tensorLimits } from '../json-limits.ts';
import { decodeTensors, type InferRequest } from './decode-request.ts';
import { bytesOfJson } from './json-data.ts';
import { jsonElements } from './json-elements.ts';
import type { ModelPlan } from './model-plan.ts';
import { isJsonObject, type JsonObject, parseObject, parseWithExactIntegers, textOf } from './parse-json.ts';
import { invalidRequest, missingInput, tensorNames } from './request-errors.ts';

/** The names that language model clients use, whatever the names in the model. */
const usual = { input: 'text_input', output: 'text_output' };

/** A request of the generate extension. */
export interface GenerateRequest extends InferRequest {
  /** The client used the name `text_input`, so the response uses `text_output`. */
  readonly isUsual: boolean;
}

/** Throws `invalid_request` if an input is missing or its values do not fit. */
export function decodeGenerate(plan: ModelPlan, batchSizeMax: number, body: Buffer): GenerateRequest {
  const text = textOf(body);
  const provided = parseObject(text, tensorLimits(text, plan.signature.inputs, batchSizeMax || Number.POSITIVE_INFINITY));
  const { inputs: specs } = plan.signature;
  const isUsual = provided[usual.input] !== undefined && plan.inputIndex(usual.input) === undefined && onlyText(specs) !== undefined;
  const keyOf = (spec: TensorSpec): string => (isUsual && spec === onlyText(specs) ? usual.input : spec.name);
  const inputs = specs.map((spec) => {
    if (provided[keyOf(spec)] === undefined) throw missingKey(plan, spec, specs);
    const data = valuesOf(provided[keyOf(spec)]);
    return { name: spec.name, datatype: spec.datatype, shape: shapeOf(spec, data.length), data };
  });
  const exactly = (spec: TensorSpec): unknown => valuesOf((parseWithExactIntegers(text) as JsonObject)[keyOf(spec)]);
  const request = { id: provided['id'], inputs, parameters: parametersOf(provided, specs.map(keyOf)) };
  const decoded = decodeTensors(
    plan,
    batchSizeMax,
    request,
    ({ spec, fields }, shape) => bytesOfJson(spec, shape, elementCount(shape), fields['data'] as readonly unknown[], () => exactly(spec)),
    () => {},
    false,
  );
  return { ...decoded, isUsual };
}

/** Throws `invalid_request` if JSON cannot represent an output. */
export function encodeGenerate(plan: ModelPlan, request: Pick<GenerateRequest, 'id' | 'isUsual'>, tensors: readonly Tensor[]): string {
  const { outputs } = plan.signature;
  let json = plan.answerStart;
  if (request.id !== undefined) json += `,"id":${JSON.stringify(request.id)}`;
  for (const [index, spec] of outputs.entries()) {
    const tensor = tensors[index] as Tensor;
    const elements = jsonElements(tensor);
    const name = request.isUsual && spec === onlyText(outputs) ? usual.output : spec.name;
    json += `,${JSON.stringify(name)}:${elementCount(tensor.shape) === 1 ? elements : `[${elements}]`}`;
  }
  return `${json}}`;
}

function onlyText(specs: readonly TensorSpec[]): TensorSpec | undefined {
  const texts = specs.filter(({ datatype }) => datatype === 'BYTES');
  return texts.length === 1 ? texts[0] : undefined;
}

function valuesOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

/** The shape of one row: `[1, 1, n]`. */
function shapeOf({ shape }: TensorSpec, count: number): readonly number[] {
  return shape.map((_, dimension) => (dimension === shape.length - 1 ? count : 1));
}

/** The members of `parameters`, and every other unknown key. */
function parametersOf(provided: JsonObject, inputs: readonly string[]): JsonObject {
  const { id: _, parameters = {}, ...others } = provided;
  if (!isJsonObject(parameters)) throw invalidRequest(`'parameters' of the request must be an object of strings, numbers and booleans`);
  for (const name of inputs) delete (others as Record<string, unknown>)[name];
  return { ...others, ...parameters };
}

function missingKey(plan: ModelPlan, spec: TensorSpec, specs: readonly TensorSpec[]): Error {
  const { message } = missingInput(plan.model, spec);
  return invalidRequest(`${message}; generate takes a key with a value or a list for each input: ${tensorNames(specs)}`);
}
