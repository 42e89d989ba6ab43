/** The servers of one test file, and a PostgreSQL for them where it is installed. Its hooks end them all after the tests. */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../postgres-server.ts';
import { Server, type ServerOptions } from './server.ts';

export class Servers {
  /** Why tests that need PostgreSQL are skipped; false if they run. */
  readonly skip = whyNoPostgres();
  readonly #started: Server[] = [];
  #postgres: PostgresServer | null = null;

  constructor() {
    before(async () => {
      if (this.skip === false) this.#postgres = await startPostgres(mkdtempSync(join(tmpdir(), 'penstock-postgres-')));
    });
    after(async () => {
      for (const server of this.#started) await server.end();
      await this.#postgres?.stop();
    });
  }

  async start(options: ServerOptions): Promise<Server> {
    const server = await Server.start(options);
    this.#started.push(server);
    return server;
  }

  /** Returns the URL of a new database. */
  async createDatabase(name: string): Promise<string> {
    assert(this.#postgres !== null);
    return this.#postgres.createDatabase(name);
  }
}
