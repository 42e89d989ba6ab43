/** Steps of `migrations.ts`: the nodes that share a PostgreSQL database, their roles and slots. */
import { sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import type { Steps } from '../step.ts';
import type { Dialect } from '../tables.ts';
import type { AnyDatabase } from './any-database.ts';

/** By name, in order. */
export function clusterMigrations(dialect: Dialect): Record<string, Migration> {
  return {
    '0089-cluster': { up: (db) => createCluster(db, dialect) },
    '0090-shared-keys': { up: (db) => createSharedKeys(db, dialect) },
    '0091-node-addresses': { up: (db) => addNodeAddresses(db, dialect) },
    '0092-authorities': { up: (db) => createAuthorities(db, dialect) },
    '0093-join-tokens': { up: (db) => createJoinTokens(db, dialect) },
    '0096-cluster-hosts': { up: (db) => createClusterHosts(db, dialect) },
    '0097-node-clocks': { up: (db) => addNodeClocks(db, dialect) },
  };
}

/** By name, in order: those after `schema_compat`. */
export function hostSetMigrations(dialect: Dialect): Steps {
  return {
    '0104-host-sets': { up: (db) => createHostSets(db, dialect), beside: 101 },
    '0105-cluster-decisions': { up: (db) => addClusterDecisions(db, dialect), beside: 101 },
  };
}

/** SQLite is used by one process. */
async function createCluster(db: AnyDatabase, dialect: Dialect): Promise<void> {
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
async function addNodeClocks(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  await db.schema
    .alterTable('cluster_nodes')
    .addColumn('clock_offset', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
}

/** Where the links of a node are accepted. */
async function addNodeAddresses(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  await db.schema.alterTable('cluster_nodes').addColumn('address', 'text').execute();
}

/** The certificate authorities of a cluster, and the certificates of its hosts. */
async function createAuthorities(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  await db.schema
    .createTable('cluster_authorities')
    .addColumn('number', 'integer', (column) => column.primaryKey())
    .addColumn('cert', 'text', (column) => column.notNull())
    .addColumn('sealed_key', 'text', (column) => column.notNull())
    .addColumn('issues_from', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('cluster_host_certificates')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('serial', 'text', (column) => column.notNull())
    .addColumn('previous_serial', 'text')
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .addColumn('joined_at', 'bigint', (column) => column.notNull())
    .execute();
}

/** The tokens with which hosts join. */
async function createJoinTokens(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  await db.schema
    .createTable('cluster_join_tokens')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('secret_hash', 'text', (column) => column.notNull())
    .addColumn('host', 'text')
    .addColumn('uses_max', 'integer', (column) => column.notNull())
    .addColumn('uses', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .execute();
}

/** Encrypted keys. SQLite is beside `keys.json`. */
async function createSharedKeys(db: AnyDatabase, dialect: Dialect): Promise<void> {
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
async function createClusterHosts(db: AnyDatabase, dialect: Dialect): Promise<void> {
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

/** Sets of hosts that the home scales. */
async function createHostSets(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  await db.schema
    .createTable('cluster_host_sets')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('draining', 'integer')
    .addColumn('hosts', 'integer')
    .addColumn('version', 'text')
    .addColumn('epoch', 'bigint')
    .addColumn('reason', 'text')
    .execute();
}

/** Decisions about the cluster, which have no endpoint. A decision about a set of hosts is made when its change is, from what the row has. */
async function addClusterDecisions(db: AnyDatabase, dialect: Dialect): Promise<void> {
  if (dialect === 'sqlite') return;
  for (const name of ['endpoint_key', 'endpoint'])
    await db.schema
      .alterTable('decisions')
      .alterColumn(name, (column) => column.dropNotNull())
      .execute();
  await db.schema.alterTable('cluster_host_sets').addColumn('inputs', 'text').execute();
}
