/** Models that are stored and inspected like versions, but not registered: their files exist until they are released. */
import type { Database } from '../../storage/index.ts';
import type { ModelVersion } from '../model-version.ts';
import { selectVersions } from '../version-rows.ts';
import type { Artifacts } from './artifacts.ts';
import { type Inspect, inspectUpload } from './inspected-upload.ts';
import { storeUpload } from './upload.ts';

/** A model without a version of its own, such as one that a request to a multi-model endpoint named. */
export interface HeldModel {
  /** Derived from a registered version, with a group of its own: see `baseNameOf`. */
  readonly version: ModelVersion;
  /** Deletes its files unless a version has them. Call it when no worker needs them. */
  release(): Promise<void>;
}

/** What to store, and under which name workers and logs show it. */
export interface HeldModelRequest {
  /** The version on whose behalf the model is served. */
  readonly base: ModelVersion;
  readonly source: AsyncIterable<Uint8Array>;
  readonly sourceName: string;
  /** The name by which requests select it, such as `eu/shoes.onnx`. */
  readonly target: string;
  /** Letters, digits and `.`, unique among the held models of the version. */
  readonly id: string;
  readonly bytesMax: number;
}

/** Clients choose the names of objects, which may have 1024 bytes. */
const targetLengthMax = 100;

/** Throws like a registration, and then leaves nothing behind. */
export async function holdModel(
  { artifacts, inspect }: { readonly artifacts: Artifacts; readonly inspect: Inspect },
  { base, source, sourceName, target, id, bytesMax }: HeldModelRequest,
): Promise<HeldModel> {
  const held = artifacts.hold();
  try {
    const upload = await storeUpload(held, source, bytesMax);
    const { source: stored, artifact, inspection } = await inspectUpload({ held, inspect, limitBytes: bytesMax, sample: null }, upload);
    const { signature, opsets, producer, notes, batchable, batchableReason } = inspection;
    // No group has a `#` in its name, so a held model cannot be mistaken for a version.
    const group = `${base.group}#${id}`;
    const { sha256, bytes, files } = artifact;
    const version: ModelVersion = {
      ...base,
      group,
      name: `${group}/${base.version}`,
      displayName: `${base.name} (${target.replaceAll(/\p{Cc}/gu, '?').slice(0, targetLengthMax)})`,
      artifact: { sha256, bytes, ...(files.length === 0 ? {} : { files }) },
      sourceSha256: stored.sha256,
      sourceName,
      signature,
      opsets,
      producer,
      properties: {},
      notes,
      batchable,
      batchableReason,
      runtime: { kind: 'onnx' },
    };
    return { version, release: () => held.release() };
  } catch (error) {
    await held.release();
    throw error;
  }
}

/** Whether an Approved version of the built-in worker has these bytes. */
export async function isApprovedContent(
  db: Database,
  { sourceSha256, artifact }: Pick<ModelVersion, 'sourceSha256' | 'artifact'>,
): Promise<boolean> {
  const rows = await selectVersions(db)
    .where((where) => where.or([where('v.source_sha256', '=', sourceSha256), where('v.artifact_sha256', '=', artifact.sha256)]))
    .where('v.approval', '=', 'Approved')
    .execute();
  return rows.some(({ runtime }) => (JSON.parse(runtime) as ModelVersion['runtime']).kind === 'onnx');
}

/** The name of the version that a held model belongs to, such as `shop/1` for `shop#0a1b…/1`; null for a registered version. */
export function baseNameOf(name: string): string | null {
  const [, group, version] = /^([^#/]+)#[^/]*(\/\d+)$/.exec(name) ?? [];
  return group === undefined || version === undefined ? null : `${group}${version}`;
}
