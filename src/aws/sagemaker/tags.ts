/**
 * Tags. Those of groups and versions are the registry's own, by whatever door they were given; those of all other
 * things are documents here, which go with them.
 */
import { keyOf, type Registry } from '../../registry/index.ts';
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import { AwsError, type AwsOperation } from '../service.ts';
import { type Resource, resourceOf } from './arn.ts';
import type { DocumentKind, Documents, GoesWith } from './documents.ts';
import { readPage } from './pages.ts';
import { checkOnEndpoint, readSettings } from './penstock-tags.ts';

/** By key; keys are told apart by case. */
export type TagWords = Readonly<Record<string, string>>;

export interface TagsOptions {
  readonly db: Database;
  readonly registry: Registry;
  readonly documents: Documents;
  /** Endpoints need no document. */
  readonly hasEndpoint: (name: string) => boolean;
}

const tagsMax = 50;

/** The member `Tags` of an input. Throws `ValidationException` for a key that comes twice, AWS's own keys, and unknown settings. */
export function readTags(given: unknown): TagWords {
  const tags: Record<string, string> = {};
  for (const { Key, Value } of (given ?? []) as { Key: string; Value: string }[]) {
    if (Object.hasOwn(tags, Key)) throw new AwsError('ValidationException', `Duplicate tag keys found: '${Key}' came twice`);
    if (/^aws:/i.test(Key)) throw new AwsError('ValidationException', `Tag '${Key}': keys that begin with aws: are reserved`);
    Object.defineProperty(tags, Key, { value: Value, enumerable: true, configurable: true, writable: true });
  }
  readSettings(tags);
  return checkCount(tags);
}

/** As they stand in an answer. */
export function tagList(tags: TagWords): { Key: string; Value: string }[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

export class Tags {
  readonly #options: TagsOptions;

  constructor(options: TagsOptions) {
    this.#options = options;
  }

  /** Of a new thing that the registry does not know; with none nothing is written. */
  async begin(resource: Resource, tags: TagWords, goesWith: GoesWith, tx: Transaction): Promise<void> {
    if (Object.keys(tags).length > 0)
      await this.#options.documents.put({ kind: 'tags', name: pathOf(resource), content: tags, goesWith }, tx);
  }

  /** Of a thing that goes and does not take its documents along. */
  async forget(resource: Resource, tx?: Transaction): Promise<void> {
    await this.#options.documents.remove('tags', pathOf(resource), tx);
  }

  /** None where there is no such thing. */
  async of(resource: Resource): Promise<TagWords> {
    const { registry, documents } = this.#options;
    const { name, version } = resource;
    if (resource.type === 'model-package-group') return (await registry.describeGroup(name)).tags;
    if (await this.#isRegistered(resource)) return (await registry.version(name, version as number)).tags;
    return (await documents.find<TagWords>('tags', pathOf(resource)))?.content ?? {};
  }

  /** Throws `ValidationException` beyond 50, `PlatformError` where there is no such thing. */
  async change(resource: Resource, change: (tags: TagWords) => TagWords, who: string): Promise<TagWords> {
    const { db, registry, documents } = this.#options;
    const { type, name, version } = resource;
    let changed: TagWords = {};
    const apply = (tags: TagWords): TagWords => {
      changed = checkCount(change(tags));
      return changed;
    };
    if (type === 'model-package-group') await registry.retag({ group: name, version: null }, apply, who);
    else if (await this.#isRegistered(resource)) await registry.retag({ group: name, version }, apply, who);
    else {
      await inTransaction(db, async (tx) => {
        await documents.add({ kind: 'tags', name: pathOf(resource), content: {}, goesWith: await this.#goesWith(resource, tx) }, tx);
        await documents.change('tags', pathOf(resource), apply, tx);
      });
    }
    return changed;
  }

  /** Whether there is such a thing, by AWS's doors. */
  async has({ type, name, version }: Resource): Promise<boolean> {
    const { documents, hasEndpoint } = this.#options;
    if (type === 'endpoint') return hasEndpoint(name);
    if (type === 'model' || type === 'endpoint-config' || type === 'transform-job') return (await documents.find(type, name)) !== null;
    if (type === 'model-package' && version === null) return (await documents.find('model-package', name)) !== null;
    if ((await documents.find('imported-group', name)) !== null) return false;
    if (type === 'model-package-group') return this.#hasGroup(name);
    return (await this.#isRegistered({ type, name, version })) || (await documents.find('model-package', `${name}/${version}`)) !== null;
  }

  async #hasGroup(name: string): Promise<boolean> {
    const { db } = this.#options;
    return (await db.selectFrom('model_groups').select('name').where('name_key', '=', keyOf(name)).executeTakeFirst()) !== undefined;
  }

  async #isRegistered({ type, name, version }: Resource): Promise<boolean> {
    if (type !== 'model-package' || version === null) return false;
    const { db } = this.#options;
    const query = db.selectFrom('model_versions').select('version').where('group_key', '=', keyOf(name)).where('version', '=', version);
    return (await query.executeTakeFirst()) !== undefined;
  }

  /** The tags go with what their thing's document goes with. */
  async #goesWith(resource: Resource, tx: Transaction): Promise<GoesWith> {
    if (resource.type === 'endpoint') return { endpoint: resource.name };
    const kind: DocumentKind = resource.type;
    const name = resource.version === null ? resource.name : `${resource.name}/${resource.version}`;
    const document = await this.#options.documents.find(kind, name, tx);
    if (document === null) throw new AwsError('ValidationException', `Could not find ${resource.type} "${name}".`);
    const { groupKey, version } = document;
    return groupKey === null ? {} : { group: groupKey, ...(version === null ? {} : { version }) };
  }
}

export function tagOperations(tags: Tags): Record<'AddTags' | 'ListTags' | 'DeleteTags', AwsOperation> {
  const find = async (arn: unknown, call: Parameters<AwsOperation>[1]): Promise<Resource> => {
    const resource = resourceOf(call, String(arn));
    if (resource === null || !(await tags.has(resource))) {
      throw new AwsError('ValidationException', `Could not find resource "${String(arn)}".`);
    }
    return resource;
  };
  return {
    AddTags: async (input, call) => {
      const resource = await find(input['ResourceArn'], call);
      const added = readTags(input['Tags']);
      if (resource.type === 'endpoint') checkOnEndpoint(added, await tags.of(resource));
      return { Tags: tagList(await tags.change(resource, (before) => ({ ...before, ...added }), call.caller.keyId)) };
    },
    ListTags: async (input, call) => {
      readPage(input, { operation: call.operation, sorts: ['Name'], orderDefault: 'Ascending' }); // there is one page only: no token is one
      return { Tags: tagList(await tags.of(await find(input['ResourceArn'], call))) };
    },
    DeleteTags: async (input, call) => {
      const resource = await find(input['ResourceArn'], call);
      const keys = new Set(input['TagKeys'] as string[]);
      const without = (before: TagWords) => Object.fromEntries(Object.entries(before).filter(([key]) => !keys.has(key)));
      await tags.change(resource, without, call.caller.keyId);
      return {};
    },
  };
}

function checkCount(tags: TagWords): TagWords {
  const count = Object.keys(tags).length;
  if (count > tagsMax) throw new AwsError('ValidationException', `A resource has at most ${tagsMax} tags: these would be ${count}`);
  return tags;
}

function pathOf({ type, name, version }: Resource): string {
  return version === null ? `${type}/${name}` : `${type}/${name}/${version}`;
}
