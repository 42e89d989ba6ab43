/** Python environments: in the data directory, with their builds in log groups. */

import { join } from 'node:path';
import type { Closers } from '../closers.ts';
import type { Config } from '../config.ts';
import type { Foundation } from '../foundation/index.ts';
import type { Metrics } from '../metrics/index.ts';
import type { LocalProvider } from '../providers/index.ts';
import type { Audit, Events } from '../records/index.ts';
import type { Registry } from '../registry/index.ts';
import { operatorKey, PythonEnvironments } from './environments.ts';
import type { LateInterpreters } from './python-models.ts';
import { environmentSettings } from './settings.ts';

export interface EnvironmentDeps extends Pick<Foundation, 'db' | 'clock' | 'logs' | 'directory' | 'logGroups'> {
  readonly events: Events;
  readonly audit: Audit;
  readonly registry: Pick<Registry, 'pythonVersions'>;
  readonly provider: Pick<LocalProvider, 'countUnconfined' | 'limitMemory'>;
  /** Gets the environments. */
  readonly interpreters: LateInterpreters;
}

/** Not opened yet. */
export function buildEnvironments(
  { environments }: Config,
  { db, clock, logs, directory, logGroups, provider, interpreters, events, audit, registry }: EnvironmentDeps,
): PythonEnvironments {
  const built = new PythonEnvironments({
    db,
    clock,
    log: logs.platform,
    events,
    audit,
    settings: environmentSettings(environments),
    directory: join(directory.path, 'environments'),
    writeLine: (group, stream, line) => logGroups.write(group, stream, line),
    users: async () => {
      const versions = await registry.pythonVersions();
      const byKey = Map.groupBy(versions, ({ environment: { name, lock } }) => lock ?? operatorKey(name ?? 'default'));
      return new Map([...byKey].map(([key, users]) => [key, users.map((user) => user.name)]));
    },
    countCode: () => provider.countUnconfined(),
    limitMemory: (pid, bytesMax) => provider.limitMemory(pid, bytesMax),
  });
  interpreters.use(built);
  return built;
}

/** Continues interrupted builds. */
export async function startEnvironments(environments: PythonEnvironments, metrics: Metrics, closers: Closers): Promise<void> {
  metrics.counter('penstock_environment_builds_total', 'Builds of Python environments by outcome.', ['outcome'], () =>
    Object.entries(environments.builds).map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
  closers.add(environments);
  await environments.open();
}
