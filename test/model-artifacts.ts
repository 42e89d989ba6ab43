/** Artifacts of tests that have no object store: the address of a file is its path. */
import { type DataFile, type ModelArtifact, type ModelFiles } from '../src/runtime/index.ts';

/** For the option of a provider. */
export async function pathAsAddress(path: string): Promise<string> {
  return path;
}

export function artifactAt(path: string, data?: readonly DataFile[]): ModelArtifact {
  if (data === undefined) return { sha256: path, bytes: 0 };
  return { sha256: path, bytes: 0, data: data.map(({ name, path: file, bytes }) => ({ name, sha256: file, bytes })) };
}

export function artifactOfFiles({ path, data }: ModelFiles): ModelArtifact {
  return artifactAt(path, data);
}
