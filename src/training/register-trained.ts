/** Registers the model of a finished job as the next version of its group, exactly once. */
import { isDeepStrictEqual } from 'node:util';
import { messageOf, PlatformError } from '../errors.ts';
import type { ModelVersion, Registry } from '../registry/index.ts';
import type { AttemptFiles } from './attempts/attempt-files.ts';
import { archiveOf } from './attempts/outputs.ts';
import { lineageOf, lineageText } from './lineage.ts';
import type { StoredTraining, TrainingRows } from './rows.ts';

/** What registering a trained model needs. */
export interface RegisterTrainedDeps {
  readonly registry: Pick<Registry, 'register' | 'describeGroup' | 'version'>;
  readonly rows: TrainingRows;
  readonly artifactBytesMax: number;
}

/** The job already has its version. */
class RegisteredBefore extends Error {}

const expected = 'expected exactly one .onnx file, or a Python model that Penstock recognises, in /opt/ml/model';

/** Returns a note if there is no model to register. Throws `unavailable` if it could be registered later. */
export async function registerTrained(deps: RegisterTrainedDeps, job: StoredTraining, attempt: AttemptFiles): Promise<string | null> {
  const { spec, progress, createdBy } = job;
  const { group } = spec;
  if (group === null) return null;
  const of = { files: attempt, folder: 'model' };
  const { files } = await attempt.list(of.folder);
  if (files.length === 0) return `no version of ${group} was registered, because the model is empty: ${expected}`;
  const models = files.filter(({ path }) => path.endsWith('.onnx'));
  if (models.length > 1) return `no version of ${group} was registered, because there are ${models.length} .onnx files: ${expected}`;
  const parent = await parentOf(deps, group);
  const isPython = models.length === 0 && spec.environment !== null;
  try {
    const { version } = await deps.registry.register({
      group,
      source: archiveOf({ of, files, bytesMax: deps.artifactBytesMax }),
      sourceName: `${spec.name}.tar.gz`,
      who: createdBy,
      description: `trained by ${spec.name}`,
      metadata: { job: spec.name, lineage: lineageText(lineageOf(job, parent?.name ?? null)) },
      metrics: Object.fromEntries(progress.metrics.slice(0, 50).map(({ name, value }) => [name.slice(0, 128), value] as const)),
      ...(isPython ? { pythonEnvironment: spec.environment } : {}),
      alongside: async (tx, number) => {
        if (!(await deps.rows.setVersion(tx, spec.name, `${group}/${number}`))) throw new RegisteredBefore();
      },
    });
    const isSame = parent === null || isDeepStrictEqual(parent.signature, version.signature);
    return isSame
      ? null
      : `the signature of ${version.name} differs from that of ${parent.name}: endpoints of ${parent.name} cannot be updated to it`;
  } catch (error) {
    if (error instanceof RegisteredBefore) return null;
    if (error instanceof PlatformError && (error.code === 'unavailable' || error.code === 'overloaded')) throw error;
    return `no version of ${group} was registered: ${messageOf(error)}. To register it, ${expected}`;
  }
}

/** The latest version of the group; null if there is none. */
async function parentOf({ registry }: RegisterTrainedDeps, group: string): Promise<ModelVersion | null> {
  try {
    const { latestVersion } = await registry.describeGroup(group);
    return latestVersion === null ? null : await registry.version(group, latestVersion);
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'not_found') return null;
    throw error;
  }
}
