/**
 * The manifest of a model with data files: the sha256 and size of each file. It is an object like any other, and its address is that of the
 * whole model. The same files give the same manifest, however they were packed and whatever the model file was called. Pure.
 */
import { modelFileName } from '../../runtime/index.ts';

/** A file of an artifact that has several. */
export interface ArtifactFile {
  /** Relative to the folder of the model; the model itself is `model.onnx`. */
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** The files in the order of the manifest: the model, then its data files by name. */
export function manifestFiles(model: Omit<ArtifactFile, 'path'>, data: readonly ArtifactFile[]): ArtifactFile[] {
  const { sha256, bytes } = model;
  return [{ path: modelFileName, sha256, bytes }, ...data].sort(byManifest);
}

/** Puts the model first. */
export function byManifest(one: Pick<ArtifactFile, 'path'>, other: Pick<ArtifactFile, 'path'>): number {
  if (one.path === modelFileName || other.path === modelFileName) return one.path === modelFileName ? -1 : 1;
  return Buffer.compare(Buffer.from(one.path), Buffer.from(other.path));
}

/** `files` must be in the order of their paths: the order is part of the address. Times and modes are left out on purpose. */
export function manifestOf(files: readonly ArtifactFile[]): Buffer {
  return Buffer.from(JSON.stringify({ format: 1, files: files.map(({ path, sha256, bytes }) => ({ path, sha256, bytes })) }));
}
