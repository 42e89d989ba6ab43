/** Checks of the spec of a tuning job. Pure. */
import { PlatformError } from '../../errors.ts';
import { trainingLimits } from '../spec.ts';
import { checkRanges } from './parameter-ranges.ts';
import { gridSize } from './propose.ts';
import type { TuningSpec } from './tuning-job.ts';

/** Of everything that a request may leave out. */
export const tuningDefaults = {
  strategy: 'Bayesian',
  maxParallel: 1,
  maxRuntimeMs: null,
  stopsEarly: false,
  resources: { min: 1, max: 27 },
  target: null,
  notImprovingMax: null,
} as const satisfies Partial<TuningSpec>;

/** Numbers of trials, reports and jobs. */
export const tuningLimits = { jobs: 750, parallel: 100, reports: 100_000, gridJobs: 1000, unfinished: 100 } as const;

/** SageMaker's hyperparameter that contains the name of the objective metric. */
export const objectiveHyperparameter = '_tuning_objective_metric';

/** Names of training jobs are `NAME-001-xxxxxxxx`. */
const namePattern = /^[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,31}$/;

/** Throws `invalid_request`. */
export function checkTuningSpec(spec: TuningSpec): void {
  const { name, metric, training, ranges, maxJobs, maxParallel, resources, maxRuntimeMs, notImprovingMax, seed } = spec;
  if (!namePattern.test(name))
    throw invalid(`invalid tuning job name '${name.slice(0, 80)}': expected at most 32 letters, digits and hyphens, no hyphen at an end`);
  checkRanges(ranges);
  if (!training.metrics.some((each) => each.name === metric))
    throw invalid(`the objective metric '${metric.slice(0, 80)}' is not defined: expected a metric with its regex of that name`);
  if (ranges.some((range) => range.name === objectiveHyperparameter))
    throw invalid(`range '${objectiveHyperparameter}' is the name of the hyperparameter that holds the metric: choose another name`);
  const fixed = ranges.find((range) => Object.hasOwn(training.hyperparameters, range.name));
  if (fixed !== undefined) throw invalid(`hyperparameter '${fixed.name.slice(0, 80)}' is fixed and has a range: expected one of the two`);
  expectWhole('jobs', maxJobs, 1, spec.strategy === 'Grid' ? tuningLimits.gridJobs : tuningLimits.jobs);
  expectWhole('parallel jobs', maxParallel, 1, tuningLimits.parallel);
  if (maxParallel > maxJobs) throw invalid(`${maxParallel} parallel jobs of ${maxJobs}: expected at most as many as jobs`);
  expectWhole('reports before the first rung', resources.min, 1, tuningLimits.reports);
  expectWhole('reports of a whole training', resources.max, resources.min, tuningLimits.reports);
  if (maxRuntimeMs !== null) expectWhole('maximum runtime, ms', maxRuntimeMs, 1000, trainingLimits.runtimeMs);
  if (notImprovingMax !== null) expectWhole('jobs without a better one', notImprovingMax, 3, tuningLimits.jobs);
  if (spec.target !== null && !Number.isFinite(spec.target)) throw invalid(`the target ${spec.target} is not a finite number`);
  expectWhole('seed', seed, 0, 2 ** 32 - 1);
  if (spec.strategy === 'Grid') checkGrid(spec);
}

function checkGrid({ ranges }: TuningSpec): void {
  const other = ranges.find(({ kind }) => kind !== 'categorical');
  if (other !== undefined) throw invalid(`strategy Grid needs categorical ranges, and '${other.name.slice(0, 80)}' is ${other.kind}`);
  const size = gridSize(ranges);
  if (size > tuningLimits.gridJobs) throw invalid(`the grid has ${size} combinations: expected at most ${tuningLimits.gridJobs}`);
}

function expectWhole(what: string, value: number, least: number, most: number): void {
  if (!Number.isSafeInteger(value) || value < least || value > most)
    throw invalid(`${what}: expected a whole number from ${least} to ${most}, got ${value}`);
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
