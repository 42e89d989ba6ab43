/** Versions that need a Python environment, and which one. */
import type { EnvironmentRef } from '../python-model.ts';
import type { Database } from '../storage/index.ts';

/** A version, and the environment that it runs in. */
export interface PythonVersion {
  /** `churn/3` */
  readonly name: string;
  readonly environment: EnvironmentRef;
}

/** All versions of the runtime `python`, by group and version. */
export async function readPythonVersions(db: Database): Promise<readonly PythonVersion[]> {
  const rows = await db
    .selectFrom('model_versions as v')
    .innerJoin('model_groups as g', 'g.name_key', 'v.group_key')
    .select(['g.name as group_name', 'v.version', 'v.runtime'])
    .where('v.runtime', 'like', '%"python"%')
    .orderBy('v.group_key')
    .orderBy('v.version')
    .execute();
  return rows.flatMap(({ group_name: group, version, runtime }) => {
    const stored = JSON.parse(runtime) as { readonly kind: string; readonly environment?: EnvironmentRef };
    return stored.kind === 'python' && stored.environment !== undefined
      ? [{ name: `${group}/${version}`, environment: stored.environment }]
      : [];
  });
}
