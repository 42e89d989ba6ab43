/** Python environments: in the data directory, with their builds in log groups. */
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { environmentSettings, operatorKey, PythonEnvironments } from '../environments/index.ts';
import type { Metrics } from '../metrics/index.ts';
import type { Audit, Events } from '../records/index.ts';
import type { Registry } from '../registry/index.ts';
import type { Closer, Foundation } from './foundation.ts';

interface EnvironmentModules {
  readonly events: Events;
  readonly audit: Audit;
  readonly registry: Pick<Registry, 'pythonVersions'>;
}

/** Not opened yet. */
export function buildEnvironments(
  { environments }: Config,
  { db, clock, logs, directory, logGroups, provider, interpreters }: Foundation,
  { events, audit, registry }: EnvironmentModules,
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
export async function openEnvironments(environments: PythonEnvironments, metrics: Metrics, closers: Closer[]): Promise<void> {
  metrics.counter('penstock_environment_builds_total', 'Builds of Python environments by outcome.', ['outcome'], () =>
    Object.entries(environments.builds).map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
  closers.push(() => environments.close());
  await environments.open();
}
