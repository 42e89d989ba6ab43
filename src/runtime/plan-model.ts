/** Models that a worker has loaded together, and their cascades. Used only in a worker process. */
import assert from 'node:assert/strict';
import { messageOf, PlatformError } from '../errors.ts';
import { bytesOf, datatypes, decodeStrings, elementCount, encodeStrings, newArray, type Tensor, type TensorSpec } from '../tensor.ts';
import { largestScores, type Scores, scoresIn } from './largest-scores.ts';
import { OnnxModel } from './onnx/onnx-model.ts';
import {
  isRunnable,
  isSinglePlan,
  type MissingModel,
  type ModelMap,
  type RowStages,
  stages,
  type WorkerPlan,
  type WorkerPlans,
} from './worker-plans.ts';

/** A model that runs tensors; an `OnnxModel` outside of tests. */
export interface RunnableModel {
  run(inputs: readonly Tensor[]): Promise<readonly Tensor[]>;
}

interface MappedModel {
  readonly model: RunnableModel;
  readonly map: ModelMap;
}

interface Answer {
  readonly outputs: readonly Tensor[];
  /** The largest score by row; NaN without scores, or if a score is not a number. */
  readonly confidence: Float64Array;
  readonly hasScores: boolean;
}

interface AnsweredRows {
  readonly count: number;
  /** Positions of the rows; null for all. */
  readonly rows?: readonly number[] | null;
  /** Whether it matters how sure the model is. */
  readonly isScored?: boolean;
}

const plansMax = 255;
const noScores = largestScores(null, 0);

/** A model that could not be loaded takes its plans out; the others run. */
export class PlanModel {
  /** Null if it could not be loaded. */
  readonly #models: (MappedModel | null)[];
  #missing: readonly MissingModel[] = [];
  readonly #options: WorkerPlans;
  readonly #isSingle: boolean;
  readonly #nowMs: () => number;

  constructor(models: readonly (RunnableModel | null)[], options: WorkerPlans, nowMs: () => number) {
    const { maps, plans } = options;
    assert(
      plans.length >= 1 && plans.length <= plansMax && models.length === maps.length,
      'a worker has a map per model, and 1 to 255 plans',
    );
    this.#models = models.map((model, i) => model && { model, map: maps[i] as ModelMap });
    this.#options = options;
    this.#isSingle = isSinglePlan(options);
    this.#nowMs = nowMs;
  }

  /** Without the models that cannot be loaded, if the others suffice for a plan from `leastPlan` on; throws otherwise. */
  static async load(paths: readonly string[], threads: number, options: WorkerPlans, nowMs: () => number): Promise<PlanModel> {
    const plans = new PlanModel(
      paths.map(() => null),
      options,
      nowMs,
    );
    await plans.loadMissing(new Map(paths.entries()), threads);
    const [first] = plans.missing;
    const isEnough = options.plans.slice(options.leastPlan ?? 0).some((plan) => isRunnable(plan, plans.missing));
    if (!isEnough && first !== undefined) throw new PlatformError('model_failed', first.reason);
    return plans;
  }

  /** The models that could not be loaded. */
  get missing(): readonly MissingModel[] {
    return this.#missing;
  }

  /** Loads models that are missing, by position. */
  async loadMissing(paths: ReadonlyMap<number, string>, threads: number): Promise<readonly MissingModel[]> {
    const missing = this.#missing.filter(({ model }) => !paths.has(model));
    for (const [model, path] of paths) {
      try {
        this.#models[model] = { model: runnable(OnnxModel.load(path, threads)), map: this.#options.maps[model] as ModelMap };
      } catch (error) {
        missing.push({ model, reason: messageOf(error) });
      }
    }
    this.#missing = missing;
    return missing;
  }

  /**
   * The inputs are in the contract's order, and so are the outputs. `rows`: null for a single plan (worker-plans.ts). Throws
   * `invalid_request` or `model_failed`.
   */
  async run(inputs: readonly Tensor[], number: number): Promise<{ readonly outputs: readonly Tensor[]; readonly rows: RowStages | null }> {
    const plan = this.#options.plans[number];
    if (plan === undefined) {
      throw new PlatformError('wrong_state', `plan ${number} is not loaded: expected below ${this.#options.plans.length}`);
    }
    if (!isRunnable(plan, this.#missing)) throw new PlatformError('wrong_state', `plan ${number} needs a model that could not be loaded`);
    const count = rowsIn(inputs, this.#options.contract.inputs);
    if (this.#isSingle) return { outputs: (await this.#answer(plan.first, inputs, { count, isScored: false })).outputs, rows: null };
    const startMs = this.#nowMs();
    const first = await this.#answer(plan.first, inputs, { count });
    const firstMs = this.#nowMs() - startMs;
    const stage = new Uint8Array(count);
    const rows = goingOn(plan, first);
    const confidence = Float32Array.from(first.confidence);
    if (plan.second === null || rows.length === 0) return { outputs: first.outputs, rows: { confidence, stage, firstMs, secondMs: 0 } };
    const outputs = [...first.outputs];
    await this.#goOn(plan.second, inputs, rows, { outputs, stage, first });
    return { outputs, rows: { confidence, stage, firstMs, secondMs: this.#nowMs() - startMs - firstMs } };
  }

  /** If the second model fails, its rows run in halves, so that only the rows which cause it are answered by the first model. */
  async #goOn(
    second: number,
    inputs: readonly Tensor[],
    rows: readonly number[],
    into: { readonly outputs: Tensor[]; readonly stage: Uint8Array; readonly first: Answer },
  ): Promise<void> {
    const { outputs, stage, first } = into;
    try {
      const answer = await this.#answer(second, inputs, { count: rows.length, rows, isScored: false });
      for (const [i, output] of answer.outputs.entries()) outputs[i] = scatterRows(outputs[i] as Tensor, rows, output);
      for (const row of rows) stage[row] = stages.second;
    } catch (error) {
      const [row = 0, ...others] = rows;
      if (others.length === 0) {
        if (Number.isNaN(first.confidence[row])) throw error; // there is no answer to fall back on
        stage[row] = stages.failed;
        return;
      }
      const middle = rows.length >> 1;
      for (const half of [rows.slice(0, middle), rows.slice(middle)]) await this.#goOn(second, inputs, half, into);
    }
  }

  async #answer(index: number, inputs: readonly Tensor[], { count, rows = null, isScored = true }: AnsweredRows): Promise<Answer> {
    const { model, map } = this.#models[index] as MappedModel;
    const { contract } = this.#options;
    const inputsOfModel = map.inputs.map(({ name, row }, i) => gatherRows(inputs[i] as Tensor, rows, name, row));
    const answers = await model.run(inputsOfModel);
    for (const { name, shape } of answers) {
      if (shape[0] !== count)
        throw new PlatformError('model_failed', `the output '${name}' has ${shape[0] ?? 'no'} rows, expected ${count}`);
    }
    const best = isScored || map.outputs.some(({ name }) => name === null) ? largestScores(scoresOf(map, answers), count) : noScores;
    const outputs = map.outputs.map(({ name, row }, i): Tensor => {
      const spec = contract.outputs[i] as TensorSpec;
      if (name === null) return madeLabels(spec, best.places, row ?? []);
      const { datatype, shape, data } = outputOf(answers, name);
      if (row === null) return { name: spec.name, datatype, shape, data };
      const own = shape.slice(1);
      if (elementCount(row) !== elementCount(own))
        throw new PlatformError(
          'model_failed',
          `the output '${name}' has the shape [${own.join(',')}] per row, expected [${row.join(',')}]`,
        );
      return { name: spec.name, datatype, shape: [count, ...row], data };
    });
    return { outputs, confidence: best.confidence, hasScores: map.scores !== null };
  }
}

function outputOf(outputs: readonly Tensor[], name: string): Tensor {
  return outputs.find((output) => output.name === name) as Tensor;
}

/** Throws `model_failed` unless they are floats. */
function scoresOf({ scores }: ModelMap, outputs: readonly Tensor[]): Scores | null {
  if (scores === null) return null;
  const output = outputOf(outputs, scores);
  const found = scoresIn(output);
  if (found === null) throw new PlatformError('model_failed', `the scores '${scores}' are ${output.datatype}, expected floats`);
  return found;
}

function runnable(model: OnnxModel): RunnableModel {
  return { run: async (inputs) => model.outputs(model.run(model.feeds(inputs))) };
}

/** Throws `invalid_request` unless all inputs have the same number of rows. */
function rowsIn(inputs: readonly Tensor[], specs: readonly TensorSpec[]): number {
  const count = inputs[0]?.shape[0];
  if (inputs.length !== specs.length || count === undefined || inputs.some(({ shape }) => shape[0] !== count)) {
    throw new PlatformError('invalid_request', `expected ${specs.length} inputs with the same number of rows`);
  }
  return count;
}

/** Rows of which 1 minus the largest score is strictly above the threshold. A score that is not a number counts as unsure. */
function goingOn({ second, threshold }: WorkerPlan, { confidence, hasScores }: Answer): number[] {
  if (second === null) return [];
  assert(hasScores, 'a model without scores starts no cascade');
  const rows: number[] = [];
  for (let row = 0; row < confidence.length; row++) {
    const unsure = Number.isNaN(confidence[row]) ? 1 : 1 - (confidence[row] as number);
    if (unsure > threshold) rows.push(row);
  }
  return rows;
}

/** Labels for a model that has none: the places of the largest scores. */
function madeLabels({ name, datatype }: TensorSpec, places: Int32Array, row: readonly number[]): Tensor {
  const shape = [places.length, ...row];
  if (datatypes[datatype].bytes === null) return { name, datatype, shape, data: encodeStrings(Array.from(places, String)) };
  const values = newArray(datatype as 'INT64', places.length);
  const isBig = datatype === 'INT64' || datatype === 'UINT64';
  for (const [i, place] of places.entries()) (values as unknown as (number | bigint)[])[i] = isBig ? BigInt(place) : place;
  return { name, datatype, shape, data: bytesOf(values) };
}

/** The given rows by another name, with rows of the shape `row`; null: all rows, and their own shape. */
function gatherRows(tensor: Tensor, rows: readonly number[] | null, name: string, row: readonly number[] | null): Tensor {
  const { datatype, shape, data } = tensor;
  const count = shape[0] as number;
  const gathered = { name, datatype, shape: rows === null && row === null ? shape : [rows?.length ?? count, ...(row ?? shape.slice(1))] };
  if (rows === null || rows.length === count) return { ...gathered, data }; // all rows, in their order
  if (datatypes[datatype].bytes === null) {
    const texts = decodeStrings(data);
    const each = texts.length / count;
    return { ...gathered, data: encodeStrings(rows.flatMap((index) => texts.slice(index * each, (index + 1) * each))) };
  }
  const each = data.length / count;
  const bytes = new Uint8Array(rows.length * each);
  for (const [i, index] of rows.entries()) bytes.set(data.subarray(index * each, (index + 1) * each), i * each);
  return { ...gathered, data: bytes };
}

/** `all` with those rows replaced by the rows of `some`, in their order. Both must have rows of one size. */
function scatterRows(all: Tensor, rows: readonly number[], some: Tensor): Tensor {
  if (rows.length === 0) return all;
  const count = all.shape[0] as number;
  if (rows.length === count) return { ...all, data: some.data };
  if (datatypes[all.datatype].bytes === null) {
    const [texts, others] = [decodeStrings(all.data), decodeStrings(some.data)];
    const each = texts.length / count;
    for (const [i, index] of rows.entries()) texts.splice(index * each, each, ...others.slice(i * each, (i + 1) * each));
    return { ...all, data: encodeStrings(texts) };
  }
  const each = all.data.length / count;
  const data = new Uint8Array(all.data); // the memory of a model is its own
  for (const [i, index] of rows.entries()) data.set(some.data.subarray(i * each, (i + 1) * each), index * each);
  return { ...all, data };
}
