/** Which models can be evaluated and chosen: those that take rows of tensors. Pure. */
import { type ModelVersion, payloadKind } from '../registry/index.ts';
import { takesJson } from '../tensor.ts';

/** Why a version cannot be a candidate, as a sentence; null if it takes tensors. */
export function payloadObstacleOf({ name, runtime, signature }: Pick<ModelVersion, 'name' | 'runtime' | 'signature'>): string | null {
  if (runtime.kind === 'process') return `${name} is a process: what it takes is not known`;
  const kind = payloadKind(runtime);
  if (kind !== 'tensors') return `${name} takes ${kind}: expected a model with tensors`;
  return takesJson(signature) ? `${name} takes and returns JSON: expected a model with tensors` : null;
}
