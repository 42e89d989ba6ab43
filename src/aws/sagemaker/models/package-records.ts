/**
 * Stored model packages. In a group, a package is a version of the registry, plus a document if AWS calls set more members. A failed
 * package, and one without a model, is a document without a version. A package without a group is a document that refers to its version.
 */
import { PlatformError } from '../../../errors.ts';
import { nameKey } from '../../../names.ts';
import { type ModelVersion, type Registry } from '../../../registry/index.ts';
import { type Database, nameKeyContaining, type Transaction } from '../../../storage/index.ts';
import type { AwsInput } from '../../service.ts';
import type { ArnResource } from '../arn.ts';
import type { Documents } from '../documents.ts';
import { type AwsPage, cutPage, type PageRequest, type SortKey } from '../pages.ts';

/** What the registry does not store of a package. */
export interface PackageDocument {
  /** The members of the call, including those without an effect. */
  readonly members: AwsInput;
  /** The id of an access key. */
  readonly createdBy?: string;
  readonly modified?: { readonly atMs: number; readonly by: string };
  /** Set for a package without a group: its version. */
  readonly model?: { readonly group: string; readonly version: number };
  /** Set if the model could not be read: why. */
  readonly failure?: string;
}

/** A model package, assembled from document and registry. At least one of the two exists. */
export interface PackageRecord {
  /** The group's name, or the package's own if it has no group. */
  readonly name: string;
  /** null if it has no group. */
  readonly version: number | null;
  readonly document: PackageDocument | null;
  /** null if the model could not be read, or if there is none yet. */
  readonly registered: ModelVersion | null;
  readonly createdAtMs: number;
}

/** The packages that a list or a search reads. */
export interface PackageSelection {
  /** Limits the selection to one group. */
  readonly group?: string;
  readonly types: readonly ('Versioned' | 'Unversioned')[];
  readonly approval?: ModelVersion['approval'];
}

export interface PackageRecordsOptions {
  readonly db: Database;
  readonly registry: Registry;
  readonly documents: Documents;
}

/** `iris/3` for a package in a group, `iris` for one without a group. */
export function documentName({ name, version }: Pick<ArnResource, 'name' | 'version'>): string {
  return version === null ? name : `${name}/${version}`;
}

/** Joins versions and documents to packages. */
export class PackageRecords {
  readonly #db: Database;
  readonly #registry: Registry;
  readonly #documents: Documents;

  constructor({ db, registry, documents }: PackageRecordsOptions) {
    this.#db = db;
    this.#registry = registry;
    this.#documents = documents;
  }

  /** null if the package does not exist. */
  async find({ name, version }: Pick<ArnResource, 'name' | 'version'>): Promise<PackageRecord | null> {
    const stored = await this.#documents.find<PackageDocument>('model-package', documentName({ name, version }));
    if (version === null) {
      const model = stored?.content.model;
      if (stored === null || model === undefined) return null;
      const registered = await this.#versionOf(model.group, model.version);
      return { name: stored.name, version, document: stored.content, registered, createdAtMs: stored.createdAtMs };
    }
    if (await this.isUngrouped(name)) return null;
    const document = stored?.content ?? null;
    const registered = await this.#versionOf(name, version);
    if (registered !== null) {
      // A package can exist before its model.
      const createdAtMs = Math.min(registered.createdAtMs, stored?.createdAtMs ?? registered.createdAtMs);
      return { name: registered.group, version, document, registered, createdAtMs };
    }
    if (stored === null) return null;
    const [group = name] = stored.name.split('/');
    return { name: group, version, document, registered, createdAtMs: stored.createdAtMs };
  }

  /** Whether a group is internal to a Model or an ungrouped package. AWS's lists do not show it. */
  async isUngrouped(group: string): Promise<boolean> {
    return (await this.#documents.find('imported-group', group)) !== null;
  }

  /** The number of packages in a group that have no version: failed, or without a model. */
  async failedIn(group: string): Promise<number> {
    const rows = await this.#db
      .selectFrom('aws_documents')
      .select('number')
      .where('kind', '=', 'model-package')
      .where('group_key', '=', nameKey(group))
      .where('version', 'is', null)
      .execute();
    return rows.length;
  }

  /** Changes the document; creates it first if another API registered the package. */
  async changeDocument(record: PackageRecord, change: (document: PackageDocument) => PackageDocument, tx: Transaction): Promise<void> {
    const name = documentName(record);
    if (record.registered !== null && record.version !== null) {
      const owner = { group: record.name, version: record.version };
      const content = { members: {} } satisfies PackageDocument;
      await this.#documents.add({ kind: 'model-package', name, content, owner, number: record.version }, tx);
    }
    await this.#documents.change('model-package', name, change, tx);
  }

  async page(selection: PackageSelection, request: PageRequest): Promise<AwsPage<PackageRecord>> {
    const rows = await this.#select(selection, request);
    const keyOfRow = (row: (typeof rows)[number]): SortKey => [
      request.sortBy === 'Name' ? row.name_key : row.created_at,
      row.name_key,
      row.number,
    ];
    const { items, next } = cutPage(rows, request, keyOfRow);
    const records = await Promise.all(items.map((row) => this.find({ name: row.name_key, version: row.number === 0 ? null : row.number })));
    return { items: records.filter((record) => record !== null), next }; // null if deleted since the query
  }

  /** Sorted keys, one more than the limit. `number` is 0 for packages without a group. */
  async #select({ group, types, approval }: PackageSelection, request: PageRequest) {
    const { sortBy, descending, after, createdAfterMs, createdBeforeMs, nameContains, limit } = request;
    let query = this.#db.selectFrom(this.#all().as('p')).selectAll('p');
    if (group !== undefined) query = query.where('p.name_key', '=', nameKey(group));
    if (types.length === 1) query = query.where('p.number', types[0] === 'Versioned' ? '>' : '=', 0);
    if (approval !== undefined) query = query.where('p.approval', '=', approval);
    if (createdAfterMs !== null) query = query.where('p.created_at', '>', createdAfterMs);
    if (createdBeforeMs !== null) query = query.where('p.created_at', '<', createdBeforeMs);
    if (nameContains !== '') query = query.where('p.name_key', 'like', nameKeyContaining(nameContains));
    const column = sortBy === 'Name' ? 'p.name_key' : 'p.created_at';
    if (after !== null) {
      const [value, name, number = 0] = after;
      query = query.where((where) =>
        where(where.refTuple(column, 'p.name_key', 'p.number'), descending ? '<' : '>', where.tuple(value, name, number)),
      );
    }
    const order = descending ? 'desc' : 'asc';
    return query
      .orderBy(column, order)
      .orderBy('p.name_key', order)
      .orderBy('p.number', order)
      .limit(limit + 1)
      .execute();
  }

  /** The union of registered versions, failed packages and ungrouped packages. */
  #all() {
    const db = this.#db;
    const registered = db
      .selectFrom('model_versions as v')
      .leftJoin('aws_documents as e', (join) =>
        join.on('e.kind', '=', 'model-package').onRef('e.group_key', '=', 'v.group_key').onRef('e.version', '=', 'v.version'),
      )
      .select((column) => [
        'v.group_key as name_key',
        'v.version as number',
        // A package may be older than its model.
        column
          .case()
          .when('e.created_at', '<', column.ref('v.created_at'))
          .then(column.ref('e.created_at').$notNull())
          .else(column.ref('v.created_at'))
          .end()
          .as('created_at'),
        'v.approval as approval',
      ])
      .where((where) =>
        where.not(
          where.exists(
            where
              .selectFrom('aws_documents as a')
              .select('a.name_key')
              .where('a.kind', '=', 'imported-group')
              .whereRef('a.name_key', '=', 'v.group_key'),
          ),
        ),
      );
    const failed = db
      .selectFrom('aws_documents as f')
      .where('f.kind', '=', 'model-package')
      .where('f.version', 'is', null)
      .where('f.number', 'is not', null)
      .select((column) => [
        column.ref('f.group_key').$notNull().as('name_key'),
        column.ref('f.number').$notNull().as('number'),
        'f.created_at as created_at',
        column.cast(column.val('PendingManualApproval'), 'text').$castTo<ModelVersion['approval']>().as('approval'),
      ]);
    const ungrouped = db
      .selectFrom('aws_documents as d')
      .innerJoin('model_versions as m', (join) => join.onRef('m.group_key', '=', 'd.group_key').onRef('m.version', '=', 'd.version'))
      .where('d.kind', '=', 'model-package')
      .where('d.number', 'is', null)
      .select((column) => ['d.name_key as name_key', column.lit(0).as('number'), 'd.created_at as created_at', 'm.approval as approval']);
    return registered.unionAll(failed).unionAll(ungrouped);
  }

  async #versionOf(group: string, version: number): Promise<ModelVersion | null> {
    try {
      return await this.#registry.version(group, version);
    } catch (error) {
      if (error instanceof PlatformError && error.code === 'not_found') return null;
      throw error;
    }
  }
}
