/** Reads results of runs: outputs, and from workers with plans how each row was answered. */
import type { Tensor, TensorSpec } from '../../tensor.ts';
import { isSinglePlan, type RowStages, SinglePlanStages, scoresPosition, stageSpecs, stagesIn, type WorkerPlans } from '../worker-plans.ts';
import type { Frame } from './frames.ts';
import { type RunTimings, readTensors, readTimings } from './tensor-frames.ts';

/** The result of one run, for all rows of its batch. */
export interface RunResult {
  /** In the order of the signature. Their data are views that remain valid. */
  readonly outputs: readonly Tensor[];
  readonly timings: RunTimings;
  /** How each row was answered; absent if the worker has loaded one model. */
  readonly rows?: RowStages;
}

/** `specs`: the outputs of the signature. Throws if the frame is malformed. */
export type ResultReader = (answer: Frame, specs: readonly TensorSpec[]) => RunResult;

/** `plans`: undefined for a worker with one model. */
export function resultReader(plans: WorkerPlans | undefined): ResultReader {
  if (plans === undefined) return readPlain;
  if (!isSinglePlan(plans)) return readStages;
  const position = scoresPosition(plans);
  return (answer, specs) => {
    const { outputs, timings } = readPlain(answer, specs);
    return { outputs, timings, rows: new SinglePlanStages(outputs[0]?.shape[0] ?? 0, outputs[position], timings.runMs) };
  };
}

/** For workers with one model. */
export const readPlain: ResultReader = (answer, specs) => ({ timings: readTimings(answer), outputs: readTensors(answer, specs) });

const readStages: ResultReader = (answer, specs) => ({
  timings: readTimings(answer),
  ...stagesIn(readTensors(answer, specs, stageSpecs), specs.length),
});
