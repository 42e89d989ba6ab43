import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../../test/postgres-server.ts';
import { SystemClock } from '../clock.ts';
import { Closers } from '../closers.ts';
import { loadConfig } from '../config.ts';
import { openLogs } from '../logs/index.ts';
import { ServerNode } from './server-node.ts';

describe('nodes of a cluster', { skip: whyNoPostgres() }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-nodes-'));
  const clusterKeyFile = join(directory, 'cluster.key');
  let server: PostgresServer;
  before(async () => {
    writeFileSync(clusterKeyFile, randomBytes(32).toString('base64'), { mode: 0o600 });
    server = await startPostgres(directory);
  });
  after(async () => server?.stop());

  /** Resolves when the node is to serve. */
  async function open(t: TestContext, name: string, databaseUrl: string): Promise<{ node: ServerNode; end: () => Promise<void> }> {
    const config = loadConfig({ flags: { dataDir: join(directory, name), node: name, databaseUrl, clusterKeyFile, objects: 'postgres' } });
    const closers = new Closers();
    t.after(() => closers.close());
    const follower = { onHome: () => undefined, onIdentity: () => undefined, interrupted: undefined };
    const deps = { clock: new SystemClock(), log: openLogs(null, 'silent').platform, version: '0.1.0', ...follower };
    const node = await ServerNode.open(config, deps, closers);
    assert(node !== null);
    return { node, end: () => closers.close() };
  }

  test('that start together on a new database: one serves, the others stand by and take its place', async (t) => {
    const url = await server.createDatabase('together');
    const nodes = ['a', 'b', 'c'].map((name) => open(t, name, url));
    const served = new Set<string>();
    const waiting = new Set(nodes);
    while (waiting.size > 0) {
      const { opened, promise } = await Promise.race([...waiting].map((each) => each.then((opened) => ({ opened, promise: each }))));
      waiting.delete(promise);
      served.add(opened.node.name);
      assert.equal(opened.node.epoch, served.size, 'a node is to serve only with the role');
      await opened.end();
    }
    assert.deepEqual([...served].sort(), ['a', 'b', 'c']);
  });
});
