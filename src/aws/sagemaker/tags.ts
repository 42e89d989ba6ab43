/**
 * Tags. The registry stores those of groups and versions, whichever API set them. Tags of all other resources are documents, which are
 * deleted with the resource.
 */
import { nameKey } from '../../names.ts';
import { type Registry } from '../../registry/index.ts';
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import { checkTagCount, checkTags, type TagMap } from '../resource-tags.ts';
import { type AwsCall, AwsError, type AwsOperation, changeOperation, readOperation } from '../service.ts';
import { type ArnResource, resourceOf } from './arn.ts';
import type { DocumentOwner, Documents } from './documents.ts';
import { readPage } from './pages.ts';
import { checkOnEndpoint, readSettings } from './penstock-tags.ts';

const jobTypes = ['training-job', 'processing-job', 'hyper-parameter-tuning-job'] as const;
/** Jobs that have no document here. */
export type JobType = (typeof jobTypes)[number];

function isJobType(type: string): type is JobType {
  return (jobTypes as readonly string[]).includes(type);
}

export interface TagsOptions {
  readonly db: Database;
  readonly registry: Registry;
  readonly documents: Documents;
  /** Endpoints of other APIs have no document. */
  readonly hasEndpoint: (name: string) => boolean;
  /** The same holds for these jobs. */
  readonly hasJob: (type: JobType, name: string) => Promise<boolean>;
}

/** Reads the member `Tags`. Throws `ValidationException` for duplicate keys, `aws:` keys and unknown settings. */
export function readTags(input: unknown): TagMap {
  const tags: Record<string, string> = {};
  for (const { Key, Value } of (input ?? []) as { Key: string; Value: string }[]) {
    if (Object.hasOwn(tags, Key)) throw new AwsError('ValidationException', `Duplicate tag keys found: '${Key}'`);
    Object.defineProperty(tags, Key, { value: Value, enumerable: true, configurable: true, writable: true });
  }
  checkTags(tags, 'ValidationException');
  readSettings(tags);
  return tags;
}

/** In the format of AWS's responses. */
export function tagList(tags: TagMap): { Key: string; Value: string }[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

/** Reads and changes the tags of a resource, wherever they are stored. */
export class Tags {
  readonly #options: TagsOptions;

  constructor(options: TagsOptions) {
    this.#options = options;
  }

  /** Stores the tags of a new resource outside of the registry. Writes nothing if there are none. */
  async begin(resource: ArnResource, tags: TagMap, owner: DocumentOwner, tx: Transaction): Promise<void> {
    if (Object.keys(tags).length > 0) await this.#options.documents.put({ kind: 'tags', name: pathOf(resource), content: tags, owner }, tx);
  }

  /** Removes the tags of a resource without an owner, which would delete them otherwise. */
  async discard(resource: ArnResource, tx?: Transaction): Promise<void> {
    await this.#options.documents.remove('tags', pathOf(resource), tx);
  }

  /** Empty if the resource does not exist or has no tags. */
  async of(resource: ArnResource): Promise<TagMap> {
    const { registry, documents } = this.#options;
    const { name, version } = resource;
    if (resource.type === 'model-package-group') return (await registry.describeGroup(name)).tags;
    if (await this.#isRegistered(resource)) return (await registry.version(name, version as number)).tags;
    return (await documents.find<TagMap>('tags', pathOf(resource)))?.content ?? {};
  }

  /** Throws `ValidationException` above 50 tags, `PlatformError` if the resource does not exist. */
  async change(resource: ArnResource, change: (tags: TagMap) => TagMap, who: string): Promise<TagMap> {
    const { db, registry, documents } = this.#options;
    const { type, name, version } = resource;
    let changed: TagMap = {};
    const apply = (tags: TagMap): TagMap => {
      changed = checkTagCount(change(tags), 'ValidationException');
      return changed;
    };
    if (type === 'model-package-group') await registry.retag({ group: name, version: null }, apply, who);
    else if (await this.#isRegistered(resource)) await registry.retag({ group: name, version }, apply, who);
    else {
      await inTransaction(db, async (tx) => {
        await documents.add({ kind: 'tags', name: pathOf(resource), content: {}, owner: await this.#owner(resource, tx) }, tx);
        await documents.change('tags', pathOf(resource), apply, tx);
      });
    }
    return changed;
  }

  /** Whether the resource exists in the AWS API; internal groups do not. */
  async has({ type, name, version }: ArnResource): Promise<boolean> {
    const { documents, hasEndpoint, hasJob } = this.#options;
    if (type === 'endpoint') return hasEndpoint(name);
    if (isJobType(type)) return hasJob(type, name);
    if (['model', 'endpoint-config', 'transform-job', 'inference-recommendations-job', 'pipeline'].includes(type))
      return (await documents.find(type, name)) !== null;
    if (type === 'model-package' && version === null) return (await documents.find('model-package', name)) !== null;
    if ((await documents.find('imported-group', name)) !== null) return false;
    if (type === 'model-package-group') return this.#hasGroup(name);
    return (await this.#isRegistered({ type, name, version })) || (await documents.find('model-package', `${name}/${version}`)) !== null;
  }

  async #hasGroup(name: string): Promise<boolean> {
    const { db } = this.#options;
    return (await db.selectFrom('model_groups').select('name').where('name_key', '=', nameKey(name)).executeTakeFirst()) !== undefined;
  }

  async #isRegistered({ type, name, version }: ArnResource): Promise<boolean> {
    if (type !== 'model-package' || version === null) return false;
    const { db } = this.#options;
    const query = db.selectFrom('model_versions').select('version').where('group_key', '=', nameKey(name)).where('version', '=', version);
    return (await query.executeTakeFirst()) !== undefined;
  }

  /** Tags have the same owner as the document of their resource. */
  async #owner(resource: ArnResource, tx: Transaction): Promise<DocumentOwner> {
    if (resource.type === 'endpoint') return { endpoint: resource.name };
    const { type: kind } = resource;
    if (isJobType(kind)) return {};
    const name = resource.version === null ? resource.name : `${resource.name}/${resource.version}`;
    const document = await this.#options.documents.find(kind, name, tx);
    if (document === null) throw new AwsError('ValidationException', `Could not find ${resource.type} "${name}".`);
    const { groupKey, version } = document;
    return groupKey === null ? {} : { group: groupKey, ...(version === null ? {} : { version }) };
  }
}

/** AddTags, ListTags and DeleteTags. All three need an ARN of an existing resource. */
export function tagOperations(tags: Tags): Record<'AddTags' | 'ListTags' | 'DeleteTags', AwsOperation> {
  const find = async (arn: unknown, call: AwsCall): Promise<ArnResource> => {
    const resource = resourceOf(call, String(arn));
    if (resource === null || !(await tags.has(resource))) {
      throw new AwsError('ValidationException', `Could not find resource "${String(arn)}".`);
    }
    return resource;
  };
  return {
    AddTags: changeOperation('tag registry or endpoint', async (input, call) => {
      const resource = await find(input['ResourceArn'], call);
      const added = readTags(input['Tags']);
      if (resource.type === 'endpoint') checkOnEndpoint(added, await tags.of(resource));
      return { Tags: tagList(await tags.change(resource, (before) => ({ ...before, ...added }), call.caller.keyId)) };
    }),
    ListTags: readOperation('read tags', async (input, call) => {
      readPage(input, { operation: call.operation, sorts: ['Name'], orderDefault: 'Ascending' }); // rejects any NextToken: there is only one page
      return { Tags: tagList(await tags.of(await find(input['ResourceArn'], call))) };
    }),
    DeleteTags: changeOperation('tag registry or endpoint', async (input, call) => {
      const resource = await find(input['ResourceArn'], call);
      const keys = new Set(input['TagKeys'] as string[]);
      const without = (before: TagMap) => Object.fromEntries(Object.entries(before).filter(([key]) => !keys.has(key)));
      await tags.change(resource, without, call.caller.keyId);
      return {};
    }),
  };
}

function pathOf({ type, name, version }: ArnResource): string {
  return version === null ? `${type}/${name}` : `${type}/${name}/${version}`;
}
