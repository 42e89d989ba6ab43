/**
 * An empty in-process PostgreSQL, for tests of both databases.
 *
 * PostgreSQL takes three seconds of processor time to make a cluster, half a second to read the files of one, and a third to run the
 * migrations; emptying the tables again takes a tenth. So the files are kept beside the packages, and what a test closes serves the next
 * one of its process.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { PGlite } from '@electric-sql/pglite';
import { PGliteDialect, type PGliteDialectConfig } from 'kysely';
import { openDialect } from '../src/storage/database.ts';
import type { OpenDatabase } from '../src/storage/index.ts';

type Client = Exclude<PGliteDialectConfig['pglite'], (...args: never) => unknown>;

/** Those that no test uses, migrated and empty. */
const free: EmptyPglite[] = [];
/** The tests are over. Hooks run in the order in which they were registered: those of a file that close its database come after this one. */
let isOver = false;
/** Their timers would keep the process alive. */
after(async () => {
  isOver = true;
  for (const pglite of free.splice(0)) await pglite.end();
});

export async function openPglite(): Promise<OpenDatabase> {
  const pglite = free.pop() ?? (await EmptyPglite.create());
  const opened = await openDialect(
    new PGliteDialect({ pglite: pglite.lend() }),
    'postgres',
    (run) => run(),
    () => pglite.end(),
  );
  await pglite.remember();
  return opened;
}

class EmptyPglite {
  readonly #pglite: PGlite;
  /** Describes the tables after the migrations; null before them. */
  #schema: string | null = null;

  private constructor(pglite: PGlite) {
    this.#pglite = pglite;
  }

  static async create(): Promise<EmptyPglite> {
    return new EmptyPglite(await PGlite.create({ loadDataDir: await newCluster() }));
  }

  /** A client whose end returns the database. Later queries of its test are rejected, as by a database that is closed. */
  lend(): Client {
    const pglite = this.#pglite;
    let closed = false;
    const requireOpen = (): void => assert(!closed, 'PGlite is closed');
    return {
      query: async (text, parameters, options) => {
        requireOpen();
        return pglite.query(text, parameters === undefined ? undefined : [...parameters], options);
      },
      transaction: async (run) => {
        requireOpen();
        return pglite.transaction(run);
      },
      close: async () => {
        closed = true;
        if (!isOver && (await this.#isEmptied().catch(() => false))) free.push(this);
        else await this.end();
      },
      get closed() {
        return closed;
      },
      ready: true,
      waitReady: pglite.waitReady,
    };
  }

  /** Called after the migrations: the schema `initial` retains the rows that they wrote. */
  async remember(): Promise<void> {
    if (this.#schema !== null) return;
    const copies = (await this.#filled()).map((table) => `create table initial.${table} as select * from public.${table};`);
    await this.#pglite.exec(`create schema initial; ${copies.join('')}`);
    this.#schema = await this.#describe();
  }

  async end(): Promise<void> {
    if (!this.#pglite.closed) await this.#pglite.close();
  }

  /** Restores the rows and sequences as the migrations left them. False if a test changed the tables themselves. */
  async #isEmptied(): Promise<boolean> {
    await this.#pglite.exec('rollback');
    if (this.#schema === null || (await this.#describe()) !== this.#schema) return false;
    const changed = await this.#filled();
    const initial = await this.#column("select tablename from pg_tables where schemaname = 'initial'");
    const used = await this.#column("select sequencename from pg_sequences where schemaname = 'public' and last_value is not null");
    await this.#pglite.exec(
      [
        ...(changed.length === 0 ? [] : [`truncate ${changed.map((table) => `public.${table}`).join(', ')} cascade`]),
        ...used.map((sequence) => `alter sequence public.${sequence} restart`),
        ...initial.map((table) => `insert into public.${table} select * from initial.${table}`),
      ].join(';'),
    );
    return true;
  }

  /** The tables with rows, without those of the migrator. */
  async #filled(): Promise<string[]> {
    const tables = await this.#column("select tablename from pg_tables where schemaname = 'public' and tablename not like 'kysely%'");
    if (tables.length === 0) return [];
    return this.#column(tables.map((table) => `select '${table}' where exists (select 1 from public.${table})`).join(' union all '));
  }

  /** Every column, constraint, index and trigger, and the migrations that ran. */
  async #describe(): Promise<string> {
    const [digest = ''] = await this.#column(`select md5(string_agg(line, ';' order by line)) from (
      select format('%s %s %s %s', attrelid::regclass, attname, atttypid, attnotnull) as line from pg_attribute
        join pg_class on pg_class.oid = attrelid where relnamespace = 'public'::regnamespace
      union all select format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) from pg_constraint
        where connamespace = 'public'::regnamespace
      union all select format('%s %s', tgrelid::regclass, tgname) from pg_trigger where not tgisinternal
      union all select name from kysely_migration union all select name from kysely_migration_metrics) as lines`);
    return digest;
  }

  async #column(text: string): Promise<string[]> {
    const { rows } = await this.#pglite.query<[string]>(text, [], { rowMode: 'array' });
    return rows.map(([value]) => value);
  }
}

let cluster: Promise<Blob> | null = null;

/** The files of a new cluster. */
function newCluster(): Promise<Blob> {
  cluster ??= readCluster();
  return cluster;
}

async function readCluster(): Promise<Blob> {
  const packages = join(import.meta.dirname, '../node_modules');
  const { version } = JSON.parse(readFileSync(join(packages, '@electric-sql/pglite/package.json'), 'utf8')) as { version: string };
  const path = join(packages, `.cache/pglite-${version}.tar`);
  if (!existsSync(path)) {
    mkdirSync(join(packages, '.cache'), { recursive: true });
    const own = `${path}.${process.pid}`;
    writeFileSync(own, await filesOfNewCluster());
    renameSync(own, path); // other processes see all of it, or none
  }
  return new Blob([readFileSync(path)]);
}

async function filesOfNewCluster(): Promise<Buffer> {
  const pglite = await PGlite.create();
  try {
    const files = await pglite.dumpDataDir('none');
    return Buffer.from(await files.arrayBuffer());
  } finally {
    await pglite.close();
  }
}
