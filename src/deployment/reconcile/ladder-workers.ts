/** What the workers of a ladder load, and by which numbers runs name its plans. Pure. */
import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { defined } from '../../defined.ts';
import { PlatformError } from '../../errors.ts';
import type { WorkerPython, WorkerSpec } from '../../providers/index.ts';
import { type ModelVersion, modelArtifactOf, pythonOf } from '../../registry/index.ts';
import type { ModelMap, WorkerPlan, WorkerPlans } from '../../runtime/index.ts';
import { mapToContract } from '../../selection/index.ts';
import { type LadderConfig, unusedModels } from '../config/ladder-config.ts';

/** The number of the plan, and of the model, of a shadow that shares workers. */
export const shadowPlan = 1;

/**
 * `models`: the versions of the ladder, in its order. Plans have the numbers of their rungs. After them, each model that no plan begins
 * with is a plan of its own, so that it is run once before the worker is ready. Throws `unsupported` for a model that does not fit.
 */
export function workerPlansOf(contract: ModelVersion, ladder: LadderConfig, models: readonly ModelVersion[]): WorkerPlans {
  const maps = models.map((model): ModelMap => {
    const map = mapToContract(contract, model);
    if (typeof map === 'string') throw new PlatformError('unsupported', map);
    return map;
  });
  const place = (name: string): number => ladder.models.indexOf(name);
  const plans = ladder.rungs.map(
    ({ first, second, threshold }): WorkerPlan => ({ first: place(first), second: second === null ? null : place(second), threshold }),
  );
  const unused = unusedModels(ladder).map(place);
  return {
    contract: contract.signature,
    maps,
    leastPlan: ladder.floorRung,
    plans: [...plans, ...unused.map((first): WorkerPlan => ({ first, second: null, threshold: 1 }))],
  };
}

/** The plans of a worker with one model that also loads that of a shadow, which is plan `shadowPlan`. */
export function shadowPlansOf(version: ModelVersion, shadow: ModelVersion): WorkerPlans {
  const alone = { second: null, threshold: 1 };
  const maps = [version, shadow].map((model) => mapToContract(version, model));
  const unfit = maps.find((map) => typeof map === 'string');
  if (unfit !== undefined) throw new PlatformError('unsupported', unfit);
  return {
    contract: version.signature,
    maps: maps as ModelMap[],
    leastPlan: 0,
    plans: [
      { first: 0, ...alone },
      { first: shadowPlan, ...alone },
    ],
  };
}

type LadderVersion = Pick<ModelVersion, 'name' | 'artifact' | 'runtime' | 'signature'>;

/**
 * What a worker with these plans loads. Throws `unsupported` unless all models are ONNX models, or all are Python models of one
 * environment, and `wrong_state` for a Python model that was never opened.
 */
export function ladderFiles(
  key: string,
  plans: WorkerPlans,
  models: readonly LadderVersion[],
): Pick<WorkerSpec, 'artifact' | 'plans' | 'python'> {
  const [first, ...others] = models;
  assert(first !== undefined, 'a ladder has at least one model');
  for (const other of others) checkShared(first, other);
  const python = models.map(pythonOf).filter((each) => each !== undefined);
  const loaded = {
    key,
    ...plans,
    others: others.map((version) => ({ ...modelArtifactOf(version), ...defined({ python: pythonOf(version) }) })),
  };
  return { artifact: modelArtifactOf(first), plans: loaded, ...defined({ python: pythonOfAll(python) }) };
}

function checkShared(one: LadderVersion, other: LadderVersion): void {
  const programs = [one, other].map(({ runtime }) => [runtime.kind, runtime.kind === 'python' ? runtime.environment : null]);
  if (one.runtime.kind !== 'process' && isDeepStrictEqual(programs[0], programs[1])) return;
  throw new PlatformError('unsupported', `${one.name} and ${other.name} cannot share a worker: expected one runtime and one environment`);
}

/** The first model, with the modules of all: a fork server has them imported before. */
function pythonOfAll(models: readonly WorkerPython[]): WorkerPython | undefined {
  const [first] = models;
  return first === undefined ? undefined : { ...first, modules: [...new Set(models.flatMap(({ modules }) => modules))] };
}
