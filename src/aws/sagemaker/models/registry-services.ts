/** Operations on model package groups, model packages and Models, and on the tags of all resources. */
import type { Clock } from '../../../clock.ts';
import type { Audit, Events } from '../../../records/index.ts';
import type { ModelVersion, Registry } from '../../../registry/index.ts';
import type { Database } from '../../../storage/index.ts';
import type { S3Store } from '../../s3/objects/store.ts';
import type { AwsOperation } from '../../service.ts';
import { Documents } from '../documents.ts';
import type { Searchable } from '../search.ts';
import { Tags, type TagsOptions, tagOperations } from '../tags.ts';
import { ModelImports } from './model-imports.ts';
import { ModelPackageGroups } from './model-package-groups.ts';
import { ModelPackages } from './model-packages.ts';
import { Models } from './models.ts';
import { PackageRecords } from './package-records.ts';

export interface RegistryServicesOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly audit: Audit;
  readonly events: Pick<Events, 'record' | 'publish'>;
  readonly registry: Registry;
  readonly objects: Pick<S3Store, 'open' | 'list'>;
  /** The `s3://` URI of the newest model quality report on a version; null if it was not evaluated. */
  readonly qualityUriOf?: (version: ModelVersion) => Promise<string | null>;
  /** Regardless of case. */
  readonly hasEndpoint: (name: string) => boolean;
  readonly hasJob: TagsOptions['hasJob'];
}

/** What other parts of the SageMaker service use of these operations. */
export interface RegistryServices {
  readonly documents: Documents;
  readonly tags: Tags;
  readonly models: Models;
  readonly packages: ModelPackages;
  readonly operations: Readonly<Record<string, AwsOperation>>;
  readonly searchable: Readonly<Record<'ModelPackage' | 'ModelPackageGroup', Searchable>>;
}

export function openRegistryServices(options: RegistryServicesOptions): RegistryServices {
  const documents = new Documents(options);
  const tags = new Tags({ ...options, documents });
  const imports = new ModelImports({ ...options, documents });
  const records = new PackageRecords({ ...options, documents });
  const groups = new ModelPackageGroups({ ...options, documents, records });
  const packages = new ModelPackages({ ...options, documents, records, groups, imports, tags });
  const models = new Models({ ...options, documents, packages, records, imports, tags });
  const operations = { ...groups.operations(), ...packages.operations(), ...models.operations(), ...tagOperations(tags) };
  const searchable = { ModelPackage: packages.searchable, ModelPackageGroup: groups.searchable };
  return { documents, tags, models, packages, operations, searchable };
}
