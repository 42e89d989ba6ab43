/** The sample input of a registered model: rows of the catalogue, or the file at a package's `SamplePayloadUrl`. */
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../../clock.ts';
import type { ModelVersion, Registry } from '../../../registry/index.ts';
import type { SampleBody } from '../../../runtime/index.ts';
import type { Database } from '../../../storage/index.ts';
import { type S3Store } from '../../s3/objects/store.ts';
import { readSamplePayload, samplePayloadUrl } from './sample-payload.ts';

export interface SampleDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly registry: Pick<Registry, 'catalogue'>;
  readonly s3: Pick<S3Store, 'open'>;
}

/** Null if the model has none. Throws `not_found`, `unsupported` or `too_large` if the sample cannot be used. */
export async function registrationSample(deps: SampleDeps, version: ModelVersion): Promise<SampleBody | null> {
  const { catalogue } = deps.registry;
  const known = catalogue.entries.find(({ name }) => name === version.metadata.catalogue);
  if (known !== undefined) {
    return { contentType: 'text/csv', body: await readFile(catalogue.sampleRowsPath(known)), label: known.labelColumn };
  }
  const url = await samplePayloadUrl(deps, version);
  return url === null ? null : readSamplePayload(deps.s3, url);
}
