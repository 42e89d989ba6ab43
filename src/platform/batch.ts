/** Opens batch transforms, and evaluations, which run as transforms. */
import { join } from 'node:path';
import type { ApiServices } from '../api/index.ts';
import type { Transforms } from '../async-inference/index.ts';
import type { S3Store } from '../aws/index.ts';
import type { Config } from '../config.ts';
import { Evaluations, SelectionPlanner } from '../evaluation/index.ts';
import type { Controllers } from './controllers.ts';
import type { Closer, Foundation } from './foundation.ts';
import type { CoreModules } from './modules.ts';
import { openTransforms } from './transforms.ts';

/** Continues the transforms and evaluations that a previous server left running. */
export async function openBatch(
  config: Config,
  modules: CoreModules,
  foundation: Foundation & { readonly s3: S3Store },
  closers: Closer[],
): Promise<{ readonly transforms: Transforms; readonly evaluations: Evaluations }> {
  const transforms = await openTransforms(config, modules, foundation, closers);
  return { transforms, evaluations: await openEvaluations(modules, { ...foundation, transforms }, closers) };
}

/** What the native API needs of them. */
export function batchServices(
  modules: CoreModules & Controllers & { readonly transforms: Transforms; readonly evaluations: Evaluations },
  threads: Foundation['threads'],
): Pick<ApiServices, 'transforms' | 'evaluations' | 'selection'> {
  const { transforms, evaluations } = modules;
  return { transforms, evaluations, selection: new SelectionPlanner({ ...modules, answers: evaluations.answers, threads }) };
}

async function openEvaluations(
  { registry, events, audit, checkForeignCode }: CoreModules,
  { db, clock, logs, threads, directory, transforms }: Foundation & { readonly transforms: Transforms },
  closers: Closer[],
): Promise<Evaluations> {
  const evaluations = new Evaluations({
    db,
    clock,
    log: logs.platform,
    events,
    audit,
    registry,
    transforms,
    threads,
    directory: join(directory.path, 'evaluations'),
    checkForeignCode,
  });
  await evaluations.open();
  closers.push(() => evaluations.close());
  return evaluations;
}
