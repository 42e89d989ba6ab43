/** PostgreSQL databases after the migrations: each is a copy of one, because the migrations take longer than most tests. */
import { openDatabase } from '../src/storage/index.ts';
import type { PostgresServer } from './postgres-server.ts';

const migratedName = 'migrated';
const migrated = new WeakMap<PostgresServer, Promise<void>>();

/** Creates a database without rows but those of the migrations, and returns its URL. */
export async function createMigratedDatabase(server: PostgresServer, name: string): Promise<string> {
  let made = migrated.get(server);
  if (made === undefined) migrated.set(server, (made = migrate(server)));
  await made;
  return server.createDatabase(name, migratedName);
}

async function migrate(server: PostgresServer): Promise<void> {
  const { close } = await openDatabase({ url: await server.createDatabase(migratedName) });
  await close();
  // A database with a session cannot be copied, and the sessions of a closed pool end a little later.
  await server.terminateSessions();
}
