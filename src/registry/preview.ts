/** What a model file is, told before it is registered: the same look as registration takes, and nothing of it stays. */
import { rm } from 'node:fs/promises';
import { PlatformError } from '../errors.ts';
import type { Inspection } from '../runtime/index.ts';
import type { Artifacts, StoredFile } from './artifacts.ts';

export interface PreviewNeeds {
  readonly artifacts: Artifacts;
  readonly inspect: (path: string, rewriteTo: string) => Promise<Inspection>;
  readonly modelBytesMax: number;
}

export interface Preview {
  readonly source: StoredFile;
  readonly inspection: Inspection;
}

/** Throws `invalid_request` (not a model), `too_large`, `unsupported`, `unavailable`. */
export async function previewModel(
  { artifacts, inspect, modelBytesMax }: PreviewNeeds,
  bytes: AsyncIterable<Uint8Array> | Uint8Array,
): Promise<Preview> {
  const rewriteTo = await artifacts.temporaryPath();
  const source = await artifacts.store(bytes, modelBytesMax);
  try {
    if (source.bytes === 0) throw new PlatformError('invalid_request', 'the model file is empty (0 bytes): expected an ONNX model');
    return { source, inspection: await inspect(artifacts.localPath(source.sha256), rewriteTo) };
  } finally {
    await artifacts.release(source.sha256);
    await rm(rewriteTo, { force: true });
  }
}
