/**
 * The generate extension: plain JSON for models that take a text and give one. Each key that names an input is that input,
 * a value or a list of them; the others are parameters. The answer has a key for each output.
 */
import { elementCount, type Tensor, type TensorSpec } from '../../tensor.ts';
import { decodeTensors, type InferRequest } from './decode-request.ts';
import { bytesOfJson } from './json-data.ts';
import { jsonElements } from './json-elements.ts';
import type { ModelPlan } from './model-plan.ts';
import { isObject, type JsonObject, parseObject, parseWithExactIntegers, textOf } from './parse-json.ts';
import { invalid, missingInput, namesOf } from './refusals.ts';

/** What clients of language models call the text, whatever the model calls it. */
const usual = { input: 'text_input', output: 'text_output' };

export interface GenerateRequest extends InferRequest {
  /** The client calls the one text `text_input`, so it is answered with `text_output`. */
  readonly isUsual: boolean;
}

/** Throws `invalid_request` where an input is missing or its values do not fit. */
export function decodeGenerate(plan: ModelPlan, batchSizeMax: number, body: Buffer): GenerateRequest {
  const text = textOf(body);
  const given = parseObject(text);
  const { inputs: specs } = plan.signature;
  const isUsual = given[usual.input] !== undefined && plan.inputIndex(usual.input) === undefined && onlyText(specs) !== undefined;
  const keyOf = (spec: TensorSpec): string => (isUsual && spec === onlyText(specs) ? usual.input : spec.name);
  const inputs = specs.map((spec) => {
    if (given[keyOf(spec)] === undefined) throw missingKey(plan, spec, specs);
    const data = valuesOf(given[keyOf(spec)]);
    return { name: spec.name, datatype: spec.datatype, shape: shapeOf(spec, data.length), data };
  });
  const exactly = (spec: TensorSpec): unknown => valuesOf((parseWithExactIntegers(text) as JsonObject)[keyOf(spec)]);
  const request = { id: given['id'], inputs, parameters: parametersOf(given, specs.map(keyOf)) };
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

/** Throws `invalid_request` where JSON cannot carry an output. */
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

/** One row: `[1, 1, n]`. */
function shapeOf({ shape }: TensorSpec, count: number): readonly number[] {
  return shape.map((_, dimension) => (dimension === shape.length - 1 ? count : 1));
}

/** Those of `parameters`, and every key that is nothing else. */
function parametersOf(given: JsonObject, inputs: readonly string[]): JsonObject {
  const { id: _, parameters = {}, ...others } = given;
  if (!isObject(parameters)) throw invalid(`'parameters' of the request must be an object of strings, numbers and booleans`);
  for (const name of inputs) delete (others as Record<string, unknown>)[name];
  return { ...others, ...parameters };
}

function missingKey(plan: ModelPlan, spec: TensorSpec, specs: readonly TensorSpec[]): Error {
  const { message } = missingInput(plan.model, spec);
  return invalid(`${message}; generate takes a key with a value or a list for each input: ${namesOf(specs)}`);
}
