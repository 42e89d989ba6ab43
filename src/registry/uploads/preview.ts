/** Inspects a model like a registration, but stores nothing. A Python model is recognised, and not opened. */
import type { RecognisedModel } from '../../python-files/index.ts';
import type { Inspection } from '../../runtime/index.ts';
import { checkSourceName } from '../limits.ts';
import type { Artifacts } from './artifacts.ts';
import { type Inspect, inspectUpload, type StoredArtifact } from './inspected-upload.ts';
import { type RecognisedUploadDeps, storeModel } from './recognised-upload.ts';

/** As for a registration, without the database. */
export interface PreviewDeps extends RecognisedUploadDeps {
  readonly artifacts: Artifacts;
  readonly inspect: Inspect;
}

/** What a registration of these bytes would find. */
export interface Preview {
  readonly source: StoredArtifact;
  readonly inspection: Inspection;
  /** What its files show; null if it is not a Python model. */
  readonly recognised: RecognisedModel | null;
}

/** Throws `invalid_request` (not a model), `too_large`, `unsupported`, `unavailable`. */
export async function previewUpload(
  deps: PreviewDeps,
  source: AsyncIterable<Uint8Array> | Uint8Array,
  sourceName: string,
): Promise<Preview> {
  checkSourceName(sourceName);
  const { artifacts, inspect, modelBytesMax: limitBytes } = deps;
  const held = artifacts.hold();
  try {
    const { upload, python } = await storeModel(deps, { source, sourceName }, held);
    if (python !== null) return python;
    if ('files' in upload) throw upload.problem;
    return { ...(await inspectUpload({ held, inspect, limitBytes, sample: null }, upload)), recognised: null };
  } finally {
    await held.release();
  }
}
