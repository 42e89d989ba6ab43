/** Opens evaluations, which run as transforms. */
import { join } from 'node:path';
import type { Closers } from '../closers.ts';
import { defined } from '../defined.ts';
import type { Foundation } from '../foundation/index.ts';
import { Evaluations, type EvaluationsOptions } from './evaluations.ts';

type Handed = 'registry' | 'events' | 'audit' | 'checkForeignCode' | 'transforms';

export interface OpenEvaluationsDeps
  extends Pick<Foundation, 'db' | 'clock' | 'logs' | 'threads' | 'directory'>,
    Pick<EvaluationsOptions, Handed> {}

/** Continues the evaluations of the previous server. */
export async function openEvaluations(deps: OpenEvaluationsDeps, closers: Closers): Promise<Evaluations> {
  const { registry, events, audit, checkForeignCode, db, clock, logs, threads, directory, transforms } = deps;
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
    ...defined({ checkForeignCode }),
  });
  await evaluations.open();
  return closers.add(evaluations);
}
