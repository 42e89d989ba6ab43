/**
 * What AWS's clients say of an object beyond what its room knows: one JSON document each. A document that tells about a
 * group, a version or an endpoint goes when that goes, by whatever door.
 */
import type { Clock } from '../../clock.ts';
import { keyOf } from '../../registry/index.ts';
import { type Database, inTransaction, type Transaction } from '../../storage/index.ts';
import { type AwsPage, cutPage, type PageRequest, type SortKey } from './pages.ts';

export type DocumentKind =
  | 'model'
  | 'model-package'
  | 'model-package-group'
  | 'imported-group'
  | 'transform-job'
  | 'client-token'
  | 'endpoint-config'
  | 'endpoint'
  | 'scalable-target'
  | 'dashboard'
  | 'tags';

export interface StoredDocument<Content> {
  /** As it was first written; found without case. */
  readonly name: string;
  readonly content: Content;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** What it goes with: the group's name in lower case, and the version. */
  readonly groupKey: string | null;
  readonly version: number | null;
}

/** The document is deleted together with this. */
export interface GoesWith {
  readonly group?: string;
  /** Of that group. */
  readonly version?: number;
  readonly endpoint?: string;
}

export interface NewDocument {
  readonly kind: DocumentKind;
  readonly name: string;
  /** What JSON can hold. */
  readonly content: unknown;
  readonly goesWith?: GoesWith;
  /** Of a model package in a group: its version, also where the registry has none. */
  readonly number?: number;
}

export class Documents {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor({ db, clock }: { readonly db: Database; readonly clock: Clock }) {
    this.#db = db;
    this.#clock = clock;
  }

  /** Whether it was added: a document of that kind and name stays as it is. */
  async add(document: NewDocument, into: Database | Transaction = this.#db): Promise<boolean> {
    const result = await into
      .insertInto('aws_documents')
      .values(this.#rowOf(document))
      .onConflict((conflict) => conflict.columns(['kind', 'name_key']).doNothing())
      .executeTakeFirst();
    return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
  }

  /** Adds it, or takes its place; the time of creation stays. */
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
      .where('name_key', '=', keyOf(name))
      .executeTakeFirst();
    return row === undefined ? null : documentOf(row);
  }

  /** Changes what it says, one after the other; false where there is none. What `change` throws leaves it as it was. */
  async change<Content>(kind: DocumentKind, name: string, change: (content: Content) => Content, within?: Transaction): Promise<boolean> {
    if (within === undefined) return inTransaction(this.#db, (tx) => this.change(kind, name, change, tx));
    // The first write locks the row: of two changes at once the second sees the first.
    const row = await within
      .updateTable('aws_documents')
      .set({ updated_at: this.#clock.wallMs() })
      .where('kind', '=', kind)
      .where('name_key', '=', keyOf(name))
      .returning('content')
      .executeTakeFirst();
    if (row === undefined) return false;
    const content = JSON.stringify(change(JSON.parse(row.content) as Content));
    await within.updateTable('aws_documents').set({ content }).where('kind', '=', kind).where('name_key', '=', keyOf(name)).execute();
    return true;
  }

  /** Whether there was one. */
  async remove(kind: DocumentKind, name: string, from: Database | Transaction = this.#db): Promise<boolean> {
    const result = await from.deleteFrom('aws_documents').where('kind', '=', kind).where('name_key', '=', keyOf(name)).executeTakeFirst();
    return result.numDeletedRows > 0n;
  }

  /** Those made before `atMs`. */
  async removeOlder(kind: DocumentKind, atMs: number): Promise<void> {
    await this.#db.deleteFrom('aws_documents').where('kind', '=', kind).where('created_at', '<', atMs).execute();
  }

  /** All of a kind that nobody has many of, by name. */
  async all<Content>(kind: DocumentKind): Promise<StoredDocument<Content>[]> {
    const rows = await this.#db.selectFrom('aws_documents').selectAll().where('kind', '=', kind).orderBy('name_key').execute();
    return rows.map(documentOf<Content>);
  }

  /** A page of one kind, by `Name` or by the time of creation. */
  async page<Content>(kind: DocumentKind, request: PageRequest): Promise<AwsPage<StoredDocument<Content>>> {
    const { sortBy, descending, after, createdAfterMs, createdBeforeMs, nameContains, limit } = request;
    const column = sortBy === 'Name' ? 'name_key' : 'created_at';
    const order = descending ? 'desc' : 'asc';
    let query = this.#db.selectFrom('aws_documents').selectAll().where('kind', '=', kind);
    if (createdAfterMs !== null) query = query.where('created_at', '>', createdAfterMs);
    if (createdBeforeMs !== null) query = query.where('created_at', '<', createdBeforeMs);
    if (nameContains !== '') query = query.where('name_key', 'like', containing(nameContains));
    if (after !== null) {
      const [value, name] = after as [string | number, string];
      query = query.where((where) => where(where.refTuple(column, 'name_key'), descending ? '<' : '>', where.tuple(value, name)));
    }
    const rows = await query
      .orderBy(column, order)
      .orderBy('name_key', order)
      .limit(limit + 1)
      .execute();
    const keyOfDocument = ({ name, createdAtMs }: StoredDocument<Content>): SortKey => [
      sortBy === 'Name' ? keyOf(name) : createdAtMs,
      keyOf(name),
    ];
    return cutPage(rows.map(documentOf<Content>), request, keyOfDocument);
  }

  #rowOf({ kind, name, content, goesWith = {}, number }: NewDocument) {
    const now = this.#clock.wallMs();
    return {
      kind,
      name_key: keyOf(name),
      name,
      content: JSON.stringify(content),
      created_at: now,
      updated_at: now,
      group_key: goesWith.group === undefined ? null : keyOf(goesWith.group),
      version: goesWith.version ?? null,
      number: number ?? null,
      endpoint_key: goesWith.endpoint === undefined ? null : keyOf(goesWith.endpoint),
    };
  }
}

/** A pattern of `like`. Names have letters, digits and hyphens: anything else is in none of them. */
export function containing(part: string): string {
  return /^[a-z0-9-]*$/.test(part) ? `%${part}%` : '';
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
