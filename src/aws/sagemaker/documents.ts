/**
 * JSON documents with the AWS members that Penstock's own tables do not store. A document with an owner (group, version or endpoint) is
 * deleted together with it, no matter which API deletes the owner.
 */
import type { Clock } from '../../clock.ts';
import { nameKey } from '../../names.ts';
import { type Database, inTransaction, nameKeyContaining, type Transaction } from '../../storage/index.ts';
import { nextTurn } from '../../threads/index.ts';
import { type AwsPage, cutPage, type PageRequest, type SortKey } from './pages.ts';

/** The namespace of a document: names are unique within their kind. */
export type DocumentKind =
  | 'model'
  | 'model-package'
  | 'model-package-group'
  | 'pipeline'
  | 'imported-group'
  | 'transform-job'
  | 'inference-recommendations-job'
  | 'client-token'
  | 'endpoint-config'
  | 'endpoint'
  | 'scalable-target'
  | 'dashboard'
  | 'bucket-settings'
  | 'resource-tags'
  | 'tags';

/** A document as it is read. `Content` is not checked: only this server writes documents. */
export interface StoredDocument<Content> {
  /** As first written; lookups ignore case. */
  readonly name: string;
  readonly content: Content;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** The owning group's name in lower case, and the version. */
  readonly groupKey: string | null;
  readonly version: number | null;
}

/** The document is deleted together with its owner. */
export interface DocumentOwner {
  readonly group?: string;
  /** A version of `group`. */
  readonly version?: number;
  readonly endpoint?: string;
}

/** A document to be added or replaced. */
export interface NewDocument {
  readonly kind: DocumentKind;
  readonly name: string;
  /** Must survive JSON. */
  readonly content: unknown;
  readonly owner?: DocumentOwner;
  /** The version of a model package in a group, even if the registry does not have it because it failed. */
  readonly number?: number;
}

const documentsAtOnce = 5;

/** The table of documents of all kinds. Writes take part in the caller's transaction, if it has one. */
export class Documents {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor({ db, clock }: { readonly db: Database; readonly clock: Clock }) {
    this.#db = db;
    this.#clock = clock;
  }

  /** Resolves to false and changes nothing if a document of that kind and name exists. */
  async add(document: NewDocument, into: Database | Transaction = this.#db): Promise<boolean> {
    const result = await into
      .insertInto('aws_documents')
      .values(this.#rowOf(document))
      .onConflict((conflict) => conflict.columns(['kind', 'name_key']).doNothing())
      .executeTakeFirst();
    return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
  }

  /** Adds or replaces the document; its creation time stays. */
  async put(document: NewDocument, into: Database | Transaction = this.#db): Promise<void> {
    const { content, updated_at, group_key, version, number, endpoint_key, ...key } = this.#rowOf(document);
    const changes = { content, updated_at, group_key, version, number, endpoint_key };
    await into
      .insertInto('aws_documents')
      .values({ ...key, ...changes })
      .onConflict((conflict) => conflict.columns(['kind', 'name_key']).doUpdateSet(changes))
      .execute();
  }

  async find<Content>(kind: DocumentKind, name: string, from: Database | Transaction = this.#db): Promise<StoredDocument<Content> | null> {
    const row = await from
      .selectFrom('aws_documents')
      .selectAll()
      .where('kind', '=', kind)
      .where('name_key', '=', nameKey(name))
      .executeTakeFirst();
    return row === undefined ? null : documentOf(row);
  }

  /** Concurrent changes are serialized. Resolves to false if the document does not exist. An error of `change` rolls back. */
  async change<Content>(kind: DocumentKind, name: string, change: (content: Content) => Content, within?: Transaction): Promise<boolean> {
    if (within === undefined) return inTransaction(this.#db, (tx) => this.change(kind, name, change, tx));
    // This write locks the row, so a concurrent change reads the result of this one.
    const row = await within
      .updateTable('aws_documents')
      .set({ updated_at: this.#clock.wallMs() })
      .where('kind', '=', kind)
      .where('name_key', '=', nameKey(name))
      .returning('content')
      .executeTakeFirst();
    if (row === undefined) return false;
    const content = JSON.stringify(change(JSON.parse(row.content) as Content));
    await within.updateTable('aws_documents').set({ content }).where('kind', '=', kind).where('name_key', '=', nameKey(name)).execute();
    return true;
  }

  /** Resolves to false if the document did not exist. */
  async remove(kind: DocumentKind, name: string, from: Database | Transaction = this.#db): Promise<boolean> {
    const result = await from.deleteFrom('aws_documents').where('kind', '=', kind).where('name_key', '=', nameKey(name)).executeTakeFirst();
    return result.numDeletedRows > 0n;
  }

  /** Removes documents created before `atMs`. */
  async removeOlder(kind: DocumentKind, atMs: number): Promise<void> {
    await this.#db.deleteFrom('aws_documents').where('kind', '=', kind).where('created_at', '<', atMs).execute();
  }

  /** Their names in order, without reading the documents. */
  async names(kind: DocumentKind, { limit, offset }: { readonly limit: number; readonly offset: number }): Promise<string[]> {
    const query = this.#db.selectFrom('aws_documents').select('name').where('kind', '=', kind).orderBy('name_key');
    return (await query.limit(limit).offset(offset).execute()).map(({ name }) => name);
  }

  /** All documents of a kind by name, without a limit: for kinds with few documents. */
  async all<Content>(kind: DocumentKind): Promise<StoredDocument<Content>[]> {
    const rows = await this.#db.selectFrom('aws_documents').selectAll().where('kind', '=', kind).orderBy('name_key').execute();
    return rows.map(documentOf<Content>);
  }

  /** A page of one kind, sorted by `Name` or by creation time. Read in parts, because a document can have a megabyte. */
  async page<Content>(kind: DocumentKind, request: PageRequest): Promise<AwsPage<StoredDocument<Content>>> {
    const { sortBy, after, limit } = request;
    const keyOfDocument = ({ name, createdAtMs }: StoredDocument<Content>): SortKey => [
      sortBy === 'Name' ? nameKey(name) : createdAtMs,
      nameKey(name),
    ];
    const found: StoredDocument<Content>[] = [];
    for (let from = after; found.length <= limit; ) {
      const most = Math.min(documentsAtOnce, limit + 1 - found.length);
      const rows = await this.#rowsAfter(kind, request, from, most);
      found.push(...rows.map(documentOf<Content>));
      if (rows.length < most) break;
      from = keyOfDocument(found.at(-1) as StoredDocument<Content>);
      await nextTurn();
    }
    return cutPage(found, request, keyOfDocument);
  }

  #rowsAfter(kind: DocumentKind, request: PageRequest, after: SortKey | null, most: number): Promise<DocumentRow[]> {
    const { sortBy, descending, createdAfterMs, createdBeforeMs, nameContains } = request;
    const column = sortBy === 'Name' ? 'name_key' : 'created_at';
    const order = descending ? 'desc' : 'asc';
    let query = this.#db.selectFrom('aws_documents').selectAll().where('kind', '=', kind);
    if (createdAfterMs !== null) query = query.where('created_at', '>', createdAfterMs);
    if (createdBeforeMs !== null) query = query.where('created_at', '<', createdBeforeMs);
    if (nameContains !== '') query = query.where('name_key', 'like', nameKeyContaining(nameContains));
    if (after !== null) {
      const [value, name] = after as [string | number, string];
      query = query.where((where) => where(where.refTuple(column, 'name_key'), descending ? '<' : '>', where.tuple(value, name)));
    }
    return query.orderBy(column, order).orderBy('name_key', order).limit(most).execute();
  }

  #rowOf({ kind, name, content, owner = {}, number }: NewDocument) {
    const now = this.#clock.wallMs();
    return {
      kind,
      name_key: nameKey(name),
      name,
      content: JSON.stringify(content),
      created_at: now,
      updated_at: now,
      group_key: owner.group === undefined ? null : nameKey(owner.group),
      version: owner.version ?? null,
      number: number ?? null,
      endpoint_key: owner.endpoint === undefined ? null : nameKey(owner.endpoint),
    };
  }
}

interface DocumentRow {
  readonly name: string;
  readonly content: string;
  readonly created_at: number;
  readonly updated_at: number;
  readonly group_key: string | null;
  readonly version: number | null;
}

function documentOf<Content>(row: DocumentRow): StoredDocument<Content> {
  return {
    name: row.name,
    content: JSON.parse(row.content) as Content,
    createdAtMs: row.created_at,
    updatedAtMs: row.updated_at,
    groupKey: row.group_key,
    version: row.version,
  };
}
