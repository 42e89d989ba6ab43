/** The operations on what is deployed: groups, packages, Models, and the tags of everything. */
import type { Clock } from '../../clock.ts';
import type { Audit, Events } from '../../monitoring/index.ts';
import type { Registry } from '../../registry/index.ts';
import type { Database } from '../../storage/index.ts';
import type { S3Store } from '../s3/store.ts';
import type { AwsOperation } from '../service.ts';
import { Documents } from './documents.ts';
import { ModelImports } from './model-imports.ts';
import { ModelPackageGroups } from './model-package-groups.ts';
import { ModelPackages } from './model-packages.ts';
import { Models } from './models.ts';
import { PackageRecords } from './package-records.ts';
import { Tags, tagOperations } from './tags.ts';

export interface RegistrySideOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly events: Pick<Events, 'record' | 'publish'>;
  readonly registry: Registry;
  readonly objects: Pick<S3Store, 'open' | 'list'>;
  /** Of all that an archive with a model holds. */
  readonly unpackedBytesMax: number;
  readonly hasEndpoint: (name: string) => boolean;
}

export interface RegistrySide {
  readonly documents: Documents;
  readonly tags: Tags;
  readonly models: Models;
  readonly operations: Readonly<Record<string, AwsOperation>>;
}

export function registrySide(options: RegistrySideOptions): RegistrySide {
  const documents = new Documents(options);
  const tags = new Tags({ ...options, documents });
  const imports = new ModelImports({ ...options, documents });
  const records = new PackageRecords({ ...options, documents });
  const groups = new ModelPackageGroups({ ...options, documents, records });
  const packages = new ModelPackages({ ...options, documents, records, groups, imports, tags });
  const models = new Models({ ...options, documents, packages, records, imports, tags });
  const operations = { ...groups.operations(), ...packages.operations(), ...models.operations(), ...tagOperations(tags) };
  return { documents, tags, models, operations };
}
