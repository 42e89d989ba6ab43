/** Model package groups: the groups of the registry, except the internal ones of Models. */
import { PlatformError } from '../../../errors.ts';
import { nameKey } from '../../../names.ts';
import { type ModelGroup, type Registry } from '../../../registry/index.ts';
import { type Database, nameKeyContaining } from '../../../storage/index.ts';
import {
  AwsError,
  type AwsInput,
  type AwsLocation,
  type AwsOperation,
  type AwsOutput,
  changeOperation,
  readOperation,
} from '../../service.ts';
import { arnOf, readReference } from '../arn.ts';
import type { Documents } from '../documents.ts';
import { type AwsPage, cutPage, type PageRequest, readPage, readPages, type SortKey } from '../pages.ts';
import type { Searchable } from '../search.ts';
import { readTags, tagList } from '../tags.ts';
import { definedMembers, userContext } from './package-description.ts';
import type { PackageRecords } from './package-records.ts';

export interface ModelPackageGroupsOptions {
  readonly db: Database;
  readonly registry: Registry;
  readonly documents: Documents;
  readonly records: PackageRecords;
}

/** The part of a group that the registry does not store. */
interface GroupDocument {
  readonly members: AwsInput;
  readonly createdBy: string;
}

export class ModelPackageGroups {
  readonly #options: ModelPackageGroupsOptions;

  constructor(options: ModelPackageGroupsOptions) {
    this.#options = options;
  }

  /** Finds a group by name or ARN. Throws `ValidationException` if it does not exist. */
  async find(awsLocation: AwsLocation, reference: unknown): Promise<ModelGroup> {
    const { name } = readReference(awsLocation, 'model-package-group', String(reference));
    const { registry, records } = this.#options;
    const missing = new AwsError(
      'ValidationException',
      `ModelPackageGroup ${arnOf(awsLocation, 'model-package-group', name)} does not exist.`,
    );
    if (await records.isUngrouped(name)) throw missing;
    try {
      return await registry.describeGroup(name);
    } catch (error) {
      throw error instanceof PlatformError && error.code === 'not_found' ? missing : error;
    }
  }

  operations(): Record<`${'Create' | 'Describe' | 'Delete'}ModelPackageGroup` | 'ListModelPackageGroups', AwsOperation> {
    return {
      CreateModelPackageGroup: changeOperation('create model group', async (input, call) => {
        const { ModelPackageGroupName, Tags, ...members } = input;
        const name = String(ModelPackageGroupName);
        const { ModelPackageGroupDescription: description = '' } = members;
        await this.#create({ name, description: String(description), tags: readTags(Tags), who: call.caller.keyId }, call);
        const content: GroupDocument = { members, createdBy: call.caller.keyId };
        await this.#options.documents.put({ kind: 'model-package-group', name, content, owner: { group: name } });
        return { ModelPackageGroupArn: arnOf(call, 'model-package-group', name) };
      }),
      DescribeModelPackageGroup: readOperation('read model groups', async (input, call) => {
        const { Tags: _tags, ...described } = await this.#described(await this.find(call, input['ModelPackageGroupName']), call);
        return described;
      }),
      ListModelPackageGroups: readOperation('read model groups', async (input, call) => {
        const { operation } = call;
        const request = readPage(input, { operation, sorts: ['CreationTime', 'Name'], orderDefault: 'Ascending' });
        const { items, next } = await this.#page(request);
        return { ModelPackageGroupSummaryList: items.map((group) => summaryOf(group, call)), ...next };
      }),
      DeleteModelPackageGroup: changeOperation('delete model group', async (input, call) => {
        const { name, versions } = await this.find(call, input['ModelPackageGroupName']);
        const { registry, records } = this.#options;
        // Failed packages have no version in the registry, but they block the deletion as well.
        const packageCount = versions + (await records.failedIn(name));
        if (packageCount > 0) throw stillHolds(call, name);
        try {
          await registry.deleteGroup(name, call.caller.keyId);
        } catch (error) {
          throw error instanceof PlatformError && error.code === 'wrong_state' ? stillHolds(call, name) : error;
        }
        return {};
      }),
    };
  }

  /** For Search. */
  readonly searchable: Searchable = {
    names: ['ModelPackageGroupName'],
    all: async (call, { group, limit }) => {
      const rows = await readPages(limit, (request) => this.#page(request));
      const wanted = group === null ? rows : rows.filter(({ name }) => nameKey(name) === nameKey(group));
      return Promise.all(wanted.map(async ({ name }) => this.#described(await this.find(call, name), call)));
    },
  };

  async #described(group: ModelGroup, call: AwsLocation): Promise<AwsOutput> {
    const stored = await this.#options.documents.find<GroupDocument>('model-package-group', group.name);
    const createdBy = stored === null ? {} : userContext(call, stored.content.createdBy);
    return { ...stored?.content.members, ...summaryOf(group, call), CreatedBy: createdBy, Tags: tagList(group.tags) };
  }

  async #create(
    group: Parameters<Registry['createGroup']>[0] & { description: string; tags: Readonly<Record<string, string>> },
    awsLocation: AwsLocation,
  ) {
    const { registry, records, documents } = this.#options;
    const { name, tags, who } = group;
    try {
      await registry.createGroup(group);
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'already_exists') throw error;
      if (!(await records.isUngrouped(name))) {
        throw new AwsError('ValidationException', `Model Package Group already exists: ${arnOf(awsLocation, 'model-package-group', name)}`);
      }
      // The internal group of a Model has this name. It becomes a regular group that contains the Model's version.
      await registry.retag({ group: name, version: null }, () => tags, who);
      await documents.remove('imported-group', name);
    }
  }

  /** Excludes internal groups within the query, so that pages are full. */
  async #page(request: PageRequest): Promise<AwsPage<GroupRow>> {
    const { sortBy, descending, after, createdAfterMs, createdBeforeMs, nameContains, limit } = request;
    let query = this.#options.db
      .selectFrom('model_groups as g')
      .select(['g.name', 'g.description', 'g.created_at'])
      .where((where) =>
        where.not(
          where.exists(
            where
              .selectFrom('aws_documents as a')
              .select('a.name_key')
              .where('a.kind', '=', 'imported-group')
              .whereRef('a.name_key', '=', 'g.name_key'),
          ),
        ),
      );
    if (createdAfterMs !== null) query = query.where('g.created_at', '>', createdAfterMs);
    if (createdBeforeMs !== null) query = query.where('g.created_at', '<', createdBeforeMs);
    if (nameContains !== '') query = query.where('g.name_key', 'like', nameKeyContaining(nameContains));
    const column = sortBy === 'Name' ? 'g.name_key' : 'g.created_at';
    if (after !== null) {
      const [value, name] = after;
      query = query.where((where) => where(where.refTuple(column, 'g.name_key'), descending ? '<' : '>', where.tuple(value, name)));
    }
    const order = descending ? 'desc' : 'asc';
    const rows = await query
      .orderBy(column, order)
      .orderBy('g.name_key', order)
      .limit(limit + 1)
      .execute();
    const groups = rows.map(({ name, description, created_at }) => ({ name, description, createdAtMs: created_at }));
    return cutPage(groups, request, ({ name, createdAtMs }): SortKey => [sortBy === 'Name' ? nameKey(name) : createdAtMs, nameKey(name)]);
  }
}

type GroupRow = Pick<ModelGroup, 'name' | 'description' | 'createdAtMs'>;

function summaryOf({ name, description, createdAtMs }: GroupRow, awsLocation: AwsLocation): AwsOutput {
  return {
    ModelPackageGroupName: name,
    ModelPackageGroupArn: arnOf(awsLocation, 'model-package-group', name),
    ...definedMembers({ ModelPackageGroupDescription: description === '' ? undefined : description }),
    CreationTime: new Date(createdAtMs),
    ModelPackageGroupStatus: 'Completed',
  };
}

function stillHolds(awsLocation: AwsLocation, name: string): AwsError {
  return new AwsError(
    'ConflictException',
    `ModelPackageGroup ${arnOf(awsLocation, 'model-package-group', name)} still holds model packages. Delete them first.`,
  );
}
