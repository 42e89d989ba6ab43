/** Steps of `migrations.ts`: the nodes that share a PostgreSQL database, their roles and slots. */
import { sql } from 'kysely';
import type { Dialect } from '../tables.ts';
import type { AnyDatabase } from './any-database.ts';

/** SQLite is used by one process. */
export async function createCluster(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  await db.schema
    .createTable('cluster_nodes')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('number', 'integer', (column) => column.notNull().unique())
    .addColumn('incarnation', 'bigint', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('joined_at', 'bigint', (column) => column.notNull())
    .addColumn('version', 'text', (column) => column.notNull())
    .addColumn('draining', 'integer', (column) => column.notNull())
    // Leases are renewed twice a second; a renewed row finds space on its own page.
    .modifyEnd(sql`with (fillfactor = 40)`)
    .execute();
  await db.schema
    .createTable('cluster_roles')
    .addColumn('role', 'text', (column) => column.primaryKey())
    .addColumn('holder', 'text', (column) => column.references('cluster_nodes.name'))
    .addColumn('incarnation', 'bigint')
    .addColumn('epoch', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('cluster_slots')
    .addColumn('slot', 'integer', (column) => column.primaryKey())
    .addColumn('holder', 'text', (column) => column.references('cluster_nodes.name'))
    .addColumn('incarnation', 'bigint')
    .addColumn('epoch', 'bigint', (column) => column.notNull())
    .addColumn('wanted', 'text', (column) => column.references('cluster_nodes.name'))
    .addColumn('since', 'bigint', (column) => column.notNull())
    .execute();
  await sql`insert into cluster_roles (role, epoch) values ('controller', 0)`.execute(db);
  await sql`insert into cluster_slots (slot, epoch, since) select slot, 0, 0 from generate_series(0, 255) as slot`.execute(db);
}

/** How far the clock of each node is ahead of the database's. */
export async function addNodeClocks(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  await db.schema
    .alterTable('cluster_nodes')
    .addColumn('clock_offset', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
}

/** Encrypted keys. SQLite is beside `keys.json`. */
export async function createSharedKeys(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  await db.schema
    .createTable('shared_keys')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('sealed', 'text', (column) => column.notNull())
    .addColumn('changed_at', 'bigint', (column) => column.notNull())
    .execute();
}

/** Hosts and what the operator wants of them. What they report is in memory. */
export async function createClusterHosts(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  await db.schema
    .createTable('cluster_hosts')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('zone', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('since', 'bigint', (column) => column.notNull())
    .addColumn('joined_at', 'bigint', (column) => column.notNull())
    .addColumn('facts', 'text', (column) => column.notNull())
    .execute();
}
