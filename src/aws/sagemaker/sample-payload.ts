import type { Clock } from '../../clock.ts';
import type { Database } from '../../storage/index.ts';
import { Documents } from './documents.ts';
import { documentName, type PackageDocument } from './package-records.ts';

/** `SamplePayloadUrl` of a model package: where a sample of what it takes lies; null where nothing was said of it. */
export async function samplePayloadUrl(
  { db, clock }: { readonly db: Database; readonly clock: Clock },
  { group, version }: { readonly group: string; readonly version: number },
): Promise<string | null> {
  const stored = await new Documents({ db, clock }).find<PackageDocument>('model-package', documentName({ name: group, version }));
  const url = stored?.content.members.SamplePayloadUrl;
  return typeof url === 'string' ? url : null;
}
