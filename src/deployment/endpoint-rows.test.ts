import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { prod } from '../../test/deployment-fixture.ts';
import { openMemoryDatabase } from '../../test/empty-database.ts';
import { startPostgres, whyNoPostgres } from '../../test/postgres-server.ts';
import { inTransaction, openDatabase } from '../storage/index.ts';
import { insertEndpointRow, lockEndpointRow, readEndpointRows, updateEndpointRow } from './endpoint-rows.ts';
import { emptyHistory } from './rollouts/version-history.ts';

function rowsContract(name: string, open: () => ReturnType<typeof openDatabase>): void {
  test(`${name}: concurrent changes are serialized, and none is lost`, async () => {
    const { db, close } = await open();
    const endpoint = {
      config: prod,
      generation: 1,
      state: 'InService',
      createdAtMs: 0,
      updatedAtMs: 0,
      rollout: null,
      history: emptyHistory,
    } as const;
    await inTransaction(db, (tx) => insertEndpointRow(tx, endpoint));
    const change = () =>
      inTransaction(db, async (tx) => {
        const stored = await lockEndpointRow(tx, 'PROD');
        assert(stored !== undefined);
        await new Promise(setImmediate); // gives the other transactions time to interleave
        await updateEndpointRow(tx, { ...stored, generation: stored.generation + 1 });
      });
    await Promise.all(Array.from({ length: 8 }, change));
    assert.equal((await readEndpointRows(db))[0]?.generation, 9);
    assert.equal(await inTransaction(db, (tx) => lockEndpointRow(tx, 'other')), undefined);
    await close();
  });
}

rowsContract('SQLite', openMemoryDatabase);

describe('with a real PostgreSQL', { skip: whyNoPostgres() }, () => {
  let server: Awaited<ReturnType<typeof startPostgres>>;
  before(async () => {
    server = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-rows-')));
  });
  after(async () => server?.stop());

  rowsContract('PostgreSQL', () => openDatabase({ url: server.url }));
});
