/** Inspects a stored upload, and finds which of its files are the model. */
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { PlatformError } from '../../errors.ts';
import type { DataFile, Inspection, ModelFiles, SampleBody } from '../../runtime/index.ts';
import type { HeldFiles, StoredArtifactFile } from './artifacts.ts';
import { type ArtifactFile, manifestFiles, manifestOf } from './manifest.ts';
import type { StoredUpload } from './upload.ts';

/** Reads a model in a worker; writes its file to `rewriteTo` if it had to be rewritten. Tests it with the rows of the sample first. */
export type Inspect = (model: ModelFiles, rewriteTo: string, sample: SampleBody | null) => Promise<Inspection>;

/** A content address: of the one file, or of the manifest of several files. */
export interface StoredArtifact extends StoredArtifactFile {
  /** Empty for a model in one file. `bytes` is the sum of the files. */
  readonly files: readonly ArtifactFile[];
}

/** An upload that a worker has opened successfully. */
export interface InspectedUpload {
  /** As uploaded. */
  readonly source: StoredArtifact;
  /** What workers load. Differs from the source if the model was rewritten. */
  readonly artifact: StoredArtifact;
  readonly inspection: Inspection;
}

/** What inspecting an upload needs: the holder of its files, the worker that opens it, and the limit of its bytes. */
export interface UploadDeps {
  readonly held: HeldFiles;
  readonly inspect: Inspect;
  readonly limitBytes: number;
  readonly sample: SampleBody | null;
}

const namesListedMax = 5;

/** Throws `invalid_request` or `unsupported` if the model is the cause, `too_large`, `model_failed`, `unavailable`. */
export async function inspectUpload(
  { held, inspect, limitBytes, sample }: UploadDeps,
  { model, others, outside }: StoredUpload,
): Promise<InspectedUpload> {
  if (model.bytes === 0) throw new PlatformError('invalid_request', 'the model file is empty (0 bytes): expected an ONNX model');
  const rewriteTo = await held.temporaryPath();
  try {
    const lent: DataFile[] = [];
    for (const { path, sha256, bytes } of others) lent.push({ name: path, path: await held.fetch(sha256), bytes });
    const path = await held.fetch(model.sha256);
    const found = await inspect(lent.length === 0 ? { path } : { path, data: lent }, rewriteTo, sample);
    const data = others.filter((file) => found.dataFiles.includes(file.path));
    const unused = [...others.filter((file) => !data.includes(file)).map((file) => file.path), ...outside];
    const inspection = unused.length === 0 ? found : { ...found, notes: [...found.notes, unusedNote(unused)] };
    const source = await storeArtifact(held, model, data, limitBytes);
    if (!inspection.rewritten) return { source, artifact: source, inspection };
    const rewritten = await held.store(createReadStream(rewriteTo), limitBytes);
    return { source, artifact: await storeArtifact(held, rewritten, data, limitBytes), inspection };
  } finally {
    await rm(rewriteTo, { force: true });
  }
}

async function storeArtifact(
  held: HeldFiles,
  model: StoredArtifactFile,
  data: readonly ArtifactFile[],
  limitBytes: number,
): Promise<StoredArtifact> {
  if (data.length === 0) return { sha256: model.sha256, bytes: model.bytes, files: [] };
  const files = manifestFiles(model, data);
  const { sha256 } = await held.store(manifestOf(files), limitBytes);
  return { sha256, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), files };
}

function unusedNote(unused: readonly string[]): string {
  const more = unused.length > namesListedMax ? ` and ${unused.length - namesListedMax} more` : '';
  const listed = unused.slice(0, namesListedMax).map((path) => path.slice(0, 200));
  return `not stored, because the model does not name ${unused.length === 1 ? 'it' : 'them'}: ${listed.join(', ')}${more}`;
}
