/**
 * Several models in one worker, and the plans by which they answer: one model alone, or a cascade, in which rows that the first model is
 * unsure of go on to the second one. The byte after the kind of a `run` frame names the plan (frames.ts). Shared by server and worker.
 */
import { PlatformError } from '../errors.ts';
import type { Signature, Tensor, TensorSpec } from '../tensor.ts';
import { largestScore, type Scores, scoresIn } from './largest-scores.ts';
import { malformedFrame } from './link/frames.ts';
import type { IndexedTensor } from './link/tensor-frames.ts';
import type { PythonLoad } from './python-calls.ts';
import type { ModelFiles } from './worker-files.ts';

/** Where a model finds the inputs of the contract, and its answers. Rows are reshaped, never converted. */
export interface ModelMap {
  /** In the order of the contract's inputs. `row`: the shape of a row without the batch dimension; null: as sent. */
  readonly inputs: readonly { readonly name: string; readonly row: readonly number[] | null }[];
  /**
   * In the order of the contract's outputs: the output of the model; null: the place of the largest score, from 0. `row` is the
   * contract's shape of a row; null: as the model answers.
   */
  readonly outputs: readonly { readonly name: string | null; readonly row: readonly number[] | null }[];
  /** The output with one score per class; null if there is none: then the model starts no cascade. */
  readonly scores: string | null;
}

/** By positions in `models`. */
export interface WorkerPlan {
  readonly first: number;
  /** Null for a model alone. */
  readonly second: number | null;
  /** Rows of which 1 minus the largest score is above it go on. */
  readonly threshold: number;
}

/** The plans of a worker, sent with its load. */
export interface WorkerPlans {
  /** The signature that clients see. */
  readonly contract: Signature;
  /** The first map is that of the model which the load names. */
  readonly maps: readonly ModelMap[];
  /** At most 255. */
  readonly plans: readonly WorkerPlan[];
  /** The worker serves if this plan or one after it can run. Default: the first. */
  readonly leastPlan?: number;
}

/** A model of the plans that could not be loaded: plans that need it cannot run. */
export interface MissingModel {
  /** Its position. */
  readonly model: number;
  readonly reason: string;
}

/** Whether none of the missing models is needed by a plan. */
export function isRunnable({ first, second }: Pick<WorkerPlan, 'first' | 'second'>, missing: readonly MissingModel[]): boolean {
  return missing.every(({ model }) => model !== first && model !== second);
}

/**
 * Whether a worker has a single plan of a single model, and the scores of that model are among its outputs or it has none. It answers like a
 * worker without plans: stages would say nothing that the outputs do not.
 */
export function isSinglePlan({ maps, plans }: Pick<WorkerPlans, 'maps' | 'plans'>): boolean {
  const [map] = maps;
  if (map === undefined || maps.length !== 1 || plans.length !== 1 || plans[0]?.second !== null) return false;
  return map.scores === null || map.outputs.some(({ name }) => name === map.scores);
}

/** What a server asks a worker to load: the files of the other models are in the order of the maps. */
export interface LoadPlans extends WorkerPlans {
  readonly others: readonly OtherModel[];
}

/** A further model of a worker. `python`: set for all of them, or for none. */
export interface OtherModel extends ModelFiles {
  readonly python?: PythonLoad;
}

/** How a row was answered. `failed`: it went on, and the second model failed on it, so the first one answered. */
export const stages = { first: 0, second: 1, failed: 2 } as const;

/** How each row of a batch was answered. */
export interface RowStages {
  /** The largest score of the first model by row; NaN if that model has no scores. */
  readonly confidence: Float32Array;
  /** One of `stages` by row. */
  readonly stage: Uint8Array;
  /** Run times of the two models. */
  readonly firstMs: number;
  readonly secondMs: number;
}

/** Tensors of a result in addition to the outputs, at positions that no output has. */
export const stageSpecs: Readonly<Record<number, TensorSpec>> = {
  65_533: { name: 'milliseconds', datatype: 'FP64', shape: [2] },
  65_534: { name: 'confidence', datatype: 'FP32', shape: [-1] },
  65_535: { name: 'stage', datatype: 'UINT8', shape: [-1] },
};

const stageEntries = Object.entries(stageSpecs).map(([index, spec]) => ({ index: Number(index), spec }));

/** Encodes how rows were answered as further tensors of the result: times, confidences and stages. */
export function stageTensors({ firstMs, secondMs, confidence, stage }: RowStages): IndexedTensor[] {
  const data = [Float64Array.of(firstMs, secondMs), confidence, stage];
  return stageEntries.map(({ index, spec: { datatype } }, i) => {
    const { buffer, byteOffset, byteLength, length } = data[i] as Float64Array;
    return { index, datatype, shape: [length], parts: [new Uint8Array(buffer, byteOffset, byteLength)] };
  });
}

/** How rows were answered by a single plan. Most results are never asked for it, so it is made when it is read. */
export class SinglePlanStages implements RowStages {
  readonly firstMs: number;
  readonly secondMs = 0;
  readonly #count: number;
  readonly #tensor: Tensor | undefined;
  #scores: Scores | null | undefined;

  /** `scores`: undefined if the model has none. */
  constructor(count: number, scores: Tensor | undefined, firstMs: number) {
    this.#count = count;
    this.#tensor = scores;
    this.firstMs = firstMs;
  }

  get stage(): Uint8Array {
    return new Uint8Array(this.#count);
  }

  get confidence(): Float32Array {
    return this.confidenceOf(0, this.#count);
  }

  /** Of some rows: logs read few of a batch. */
  confidenceOf(from: number, rows: number): Float32Array {
    if (this.#scores === undefined) this.#scores = this.#tensor === undefined ? null : scoresIn(this.#tensor);
    const confidence = new Float32Array(rows);
    for (let row = 0; row < rows; row++) confidence[row] = largestScore(this.#scores, from + row);
    return confidence;
  }
}

/** The confidence of the rows of a request in a batch. */
export function confidenceOf(stages: Pick<RowStages, 'confidence'>, from: number, rows: number): Float32Array {
  return stages instanceof SinglePlanStages ? stages.confidenceOf(from, rows) : stages.confidence.subarray(from, from + rows);
}

/** The position of the scores among the outputs of a single plan; -1 if its model has none. */
export function scoresPosition({ maps }: Pick<WorkerPlans, 'maps'>): number {
  const [map] = maps;
  return map === undefined || map.scores === null ? -1 : map.outputs.findIndex(({ name }) => name === map.scores);
}

/** For a run that names a plan on a worker with one model: server and worker disagree, which is a bug. */
export function noPlans(plan: number): PlatformError {
  return new PlatformError('wrong_state', `this worker has loaded no plans: expected plan 0, got ${plan}`);
}

/** Splits a result into the outputs and the stages of its rows. Throws if it is malformed: the worker may run foreign code. */
export function stagesIn(tensors: readonly Tensor[], outputs: number): { readonly outputs: Tensor[]; readonly rows: RowStages } {
  const found = stageEntries.map(({ spec }, i) => {
    const tensor = tensors[outputs + i];
    if (tensor?.name !== spec.name || tensor.datatype !== spec.datatype) throw malformedFrame('a result under a plan has no stages');
    return new Uint8Array(tensor.data); // a copy, aligned
  });
  const [times, confidence, stage] = found as [Uint8Array, Uint8Array, Uint8Array];
  if (times.length !== 16 || confidence.length !== 4 * stage.length) throw malformedFrame('the stages of a result have other sizes');
  const [firstMs, secondMs] = new Float64Array(times.buffer) as unknown as [number, number];
  if (!(firstMs >= 0 && secondMs >= 0)) throw malformedFrame('the times of its stages are not valid milliseconds');
  return { outputs: tensors.slice(0, outputs), rows: { confidence: new Float32Array(confidence.buffer), stage, firstMs, secondMs } };
}
