/** Models that a worker has loaded together, and their cascades. Used only in a worker process. */
import assert from 'node:assert/strict';
import { messageOf, PlatformError } from '../errors.ts';
import {
  bytesOf,
  datatypes,
  decodeStrings,
  elementCount,
  encodeStrings,
  floatsOf,
  newArray,
  type Tensor,
  type TensorSpec,
} from '../tensor.ts';
import { OnnxModel } from './onnx/onnx-model.ts';
import { isRunnable, type MissingModel, type ModelMap, type RowStages, stages, type WorkerPlan, type WorkerPlans } from './worker-plans.ts';

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

const plansMax = 255;

export class PlanModel {
  /** Null if it could not be loaded. */
  readonly #models: (MappedModel | null)[];
  #missing: readonly MissingModel[] = [];
  readonly #options: WorkerPlans;
  readonly #nowMs: () => number;

  constructor(models: readonly (RunnableModel | null)[], options: WorkerPlans, nowMs: () => number) {
    const { maps, plans } = options;
    assert(
      plans.length >= 1 && plans.length <= plansMax && models.length === maps.length,
      'a worker has a map per model, and 1 to 255 plans',
    );
    this.#models = models.map((model, i) => model && { model, map: maps[i] as ModelMap });
    this.#options = options;
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
        this.#models[model] = { model: runnable(await OnnxModel.load(path, threads)), map: this.#options.maps[model] as ModelMap };
      } catch (error) {
        missing.push({ model, reason: messageOf(error) });
      }
    }
    this.#missing = missing;
    return missing;
  }

  /** The inputs are in the contract's order, and so are the outputs. Throws `invalid_request` or `model_failed`. */
  async run(inputs: readonly Tensor[], number: number): Promise<{ readonly outputs: readonly Tensor[]; readonly rows: RowStages }> {
    const plan = this.#options.plans[number];
    if (plan === undefined) {
      throw new PlatformError('wrong_state', `plan ${number} is not loaded: expected below ${this.#options.plans.length}`);
    }
    if (!isRunnable(plan, this.#missing)) throw new PlatformError('wrong_state', `plan ${number} needs a model that could not be loaded`);
    const count = rowsIn(inputs, this.#options.contract.inputs);
    const all = Array.from({ length: count }, (_, row) => row);
    const startMs = this.#nowMs();
    const first = await this.#answer(plan.first, inputs, all);
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
      const answer = await this.#answer(second, inputs, rows);
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

  async #answer(index: number, inputs: readonly Tensor[], rows: readonly number[]): Promise<Answer> {
    const { model, map } = this.#models[index] as MappedModel;
    const { contract } = this.#options;
    const inputsOfModel = map.inputs.map(({ name, row }, i) => ({ ...gatherRows(inputs[i] as Tensor, rows, row), name }));
    const found = new Map((await model.run(inputsOfModel)).map((output) => [output.name, output]));
    for (const { name, shape } of found.values()) {
      if (shape[0] !== rows.length)
        throw new PlatformError('model_failed', `the output '${name}' has ${shape[0] ?? 'no'} rows, expected ${rows.length}`);
    }
    const scores = map.scores === null ? null : scoresIn(found.get(map.scores) as Tensor);
    const best = largestScores(scores, rows.length);
    const outputs = map.outputs.map(({ name, row }, i): Tensor => {
      const spec = contract.outputs[i] as TensorSpec;
      if (name === null) return madeLabels(spec, best.places, row ?? []);
      const { datatype, shape, data } = found.get(name) as Tensor;
      const own = shape.slice(1);
      if (row !== null && elementCount(row) !== elementCount(own))
        throw new PlatformError(
          'model_failed',
          `the output '${name}' has the shape [${own.join(',')}] per row, expected [${row.join(',')}]`,
        );
      return { name: spec.name, datatype, shape: [rows.length, ...(row ?? own)], data };
    });
    return { outputs, confidence: best.confidence, hasScores: scores !== null };
  }
}

function runnable(model: OnnxModel): RunnableModel {
  return { run: async (inputs) => model.outputs(await model.run(model.feeds(inputs))) };
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

interface Scores {
  readonly values: ArrayLike<number>;
  readonly classes: number;
}

function scoresIn(scores: Tensor): Scores {
  const { name, datatype, shape } = scores;
  const values = floatsOf(scores);
  if (values === null) throw new PlatformError('model_failed', `the scores '${name}' are ${datatype}, expected floats`);
  return { values, classes: elementCount(shape.slice(1)) };
}

/** The largest score of each row and its place, the first of equals. */
function largestScores(scores: Scores | null, rows: number): { readonly confidence: Float64Array; readonly places: Int32Array } {
  const confidence = new Float64Array(rows).fill(Number.NaN);
  const places = new Int32Array(rows);
  if (scores === null) return { confidence, places };
  const { values, classes } = scores;
  for (let row = 0; row < rows; row++) {
    let best = 0;
    let isNumber = classes > 0;
    for (let place = 0; place < classes; place++) {
      const score = values[row * classes + place] as number;
      if (!Number.isFinite(score)) isNumber = false;
      if (score > (values[row * classes + best] as number)) best = place;
    }
    places[row] = best;
    if (isNumber) confidence[row] = values[row * classes + best] as number;
  }
  return { confidence, places };
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

/** The given rows, with rows of the shape `row`; null: of their own shape. */
function gatherRows({ name, datatype, shape, data }: Tensor, rows: readonly number[], row: readonly number[] | null): Tensor {
  const gathered = { name, datatype, shape: [rows.length, ...(row ?? shape.slice(1))] };
  const count = shape[0] as number;
  if (rows.length === count) return { ...gathered, data }; // all rows, in their order
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
