/** Waits for Python models that are being opened: programs written for AWS use a model right after its approval was requested. */
import type { ModelVersion, Registry } from '../../../registry/index.ts';

/** Less than the minute for which AWS's clients wait for an answer. */
const openingHeldMs = 50_000;

/** The version once its opening has ended, or after 50 s. Throws `not_found`. */
export async function openedVersion(
  registry: Pick<Registry, 'version' | 'openings'>,
  { group, version }: { readonly group: string; readonly version: number },
): Promise<ModelVersion> {
  await registry.openings?.settled({ group, version }, openingHeldMs);
  return registry.version(group, version);
}

/** Why an opened version is not Approved, in parentheses; empty if nothing more is known. */
export function whyNotApproved({ python }: Pick<ModelVersion, 'python'>): string {
  const why = python?.state === 'opening' ? 'its model is still being opened' : python?.reason;
  return typeof why === 'string' ? ` (${why})` : '';
}
