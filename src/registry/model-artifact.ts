/** What a worker loads of a version. Pure. */
import type { DataArtifact, ModelArtifact } from '../runtime/index.ts';
import type { ModelVersion } from './model-version.ts';
import type { ArtifactFile } from './uploads/manifest.ts';

/** The files of a version: providers fetch and verify them before a worker loads them. */
export function modelArtifactOf({ artifact, runtime }: Pick<ModelVersion, 'artifact' | 'runtime'>): ModelArtifact {
  const { sha256, bytes, files = [] } = artifact;
  if (runtime.kind === 'python') return { sha256, bytes, data: files.map(named) };
  const [model, ...data] = files;
  if (model === undefined) return { sha256, bytes };
  return { sha256: model.sha256, bytes: model.bytes, data: data.map(named) };
}

function named({ path, sha256, bytes }: ArtifactFile): DataArtifact {
  return { name: path, sha256, bytes };
}
