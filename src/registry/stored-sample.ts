/** Reads the sample that real rows of a Python model were registered with. */
import { nameKey } from '../names.ts';
import type { SampleBody } from '../runtime/index.ts';
import type { Database } from '../storage/index.ts';
import { sampleOf } from './python-model.ts';

/** The sample that was registered with a version; null if there is none. */
export async function storedSample(
  db: Database,
  { group, version }: { readonly group: string; readonly version: number },
): Promise<SampleBody | null> {
  const row = await db
    .selectFrom('python_models')
    .select('sample')
    .where('group_key', '=', nameKey(group))
    .where('version', '=', version)
    .executeTakeFirst();
  return sampleOf(row?.sample ?? null);
}
