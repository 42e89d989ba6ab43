/** Database queries for model versions and their files. */
import { PlatformError } from '../errors.ts';
import { nameKey } from '../names.ts';
import type { Database, Transaction } from '../storage/index.ts';
import type { ImageEntry } from './images/images.ts';
import { type ModelVersion, type VersionRow, versionOf } from './model-version.ts';
import { pythonModelsOf } from './python-model.ts';
import { type ArtifactFile, byManifest } from './uploads/manifest.ts';

type From = Database | Transaction;

interface Row extends VersionRow {
  readonly group_key: string;
}

/** The join that every read of versions begins with; callers add their conditions. */
export function selectVersions(from: From) {
  return from
    .selectFrom('model_versions as v')
    .innerJoin('model_groups as g', 'g.name_key', 'v.group_key')
    .selectAll('v')
    .select('g.name as group_name');
}

/** Decodes rows of one group, with the files of models that have several. `openings`: those of Python models, if they are read already. */
export async function versionsOf(
  from: From,
  rows: readonly Row[],
  images: readonly ImageEntry[] = [],
  openings: Awaited<ReturnType<typeof pythonModelsOf>> | null = null,
): Promise<ModelVersion[]> {
  const [first] = rows;
  if (first === undefined) return [];
  const found = await from
    .selectFrom('version_files')
    .select(['version', 'path', 'sha256', 'bytes'])
    .where('group_key', '=', first.group_key)
    .where(
      'version',
      'in',
      rows.map(({ version }) => version),
    )
    .execute();
  const files = Map.groupBy(found, ({ version }) => version);
  const inPython = rows.filter(({ runtime }) => runtime.startsWith('{"kind":"python"')).map(({ version }) => version);
  const python = openings ?? (await pythonModelsOf(from, first.group_key, inPython));
  return rows.map((row) => versionOf(row, images, filesOf(files.get(row.version) ?? []), python.get(row.version)));
}

function filesOf(rows: readonly ArtifactFile[]): ArtifactFile[] {
  return rows.map(({ path, sha256, bytes }) => ({ path, sha256, bytes })).sort(byManifest);
}

/** Throws `not_found`. */
export async function readVersion(from: From, group: string, version: number, images?: readonly ImageEntry[]): Promise<ModelVersion> {
  // Before the version: read after it, an opening could be over that is not in the approval yet.
  const openings = await pythonModelsOf(from, nameKey(group), [version]);
  const rows = await selectVersions(from).where('v.group_key', '=', nameKey(group)).where('v.version', '=', version).execute();
  const [found] = await versionsOf(from, rows, images, openings);
  if (found === undefined) {
    throw new PlatformError('not_found', `there is no model version ${group}/${version}`, {
      hint: `\`penstock versions ${group}\` lists them`,
    });
  }
  return found;
}

/** Whether a version has the object: as its file or manifest, or as one of its files. */
export async function isReferenced(db: Database, sha256: string): Promise<boolean> {
  const version = await db.selectFrom('model_versions').select('version').where('artifact_sha256', '=', sha256).limit(1).executeTakeFirst();
  if (version !== undefined) return true;
  const file = await db.selectFrom('version_files').select('version').where('sha256', '=', sha256).limit(1).executeTakeFirst();
  if (file !== undefined) return true;
  const evaluated = await db.selectFrom('evaluation_files').select('set_key').where('sha256', '=', sha256).limit(1).executeTakeFirst();
  if (evaluated !== undefined) return true;
  const code = await db.selectFrom('training_jobs').select('name_key').where('source_sha256', '=', sha256).limit(1).executeTakeFirst();
  if (code !== undefined) return true;
  const tuned = await db.selectFrom('tuning_jobs').select('name_key').where('source_sha256', '=', sha256).limit(1).executeTakeFirst();
  if (tuned !== undefined) return true;
  const revision = await db
    .selectFrom('pipeline_revisions')
    .select('revision')
    .where('source_sha256', '=', sha256)
    .limit(1)
    .executeTakeFirst();
  return revision !== undefined;
}
