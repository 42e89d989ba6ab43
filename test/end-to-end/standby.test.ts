/** Two servers on one PostgreSQL: one serves, the other one replaces it when it is killed, stopped or ended. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { assertSameTensors, sample } from '../models/index.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../postgres-server.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { penstock, Server, temporaryDirectory } from './server.ts';

describe('two nodes on one database', { skip: whyNoPostgres(), timeout: 180_000 }, () => {
  const folder = temporaryDirectory();
  const started: Promise<Server>[] = [];
  let postgres: PostgresServer;
  let flags: string[];
  before(async () => {
    postgres = await startPostgres(mkdtempSync(join(tmpdir(), 'penstock-nodes-')));
    const keyFile = join(folder, 'cluster.key');
    writeFileSync(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 });
    flags = ['--database-url', await postgres.createDatabase('penstock'), '--objects', 'postgres', '--cluster-key-file', keyFile];
  });
  after(async () => {
    for (const server of await Promise.allSettled(started)) {
      if (server.status !== 'fulfilled') continue;
      server.value.signal('SIGCONT');
      await server.value.end();
    }
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Resolves when the node serves. */
  const start = (name: string): Promise<Server> => {
    const server = Server.start({ flags: [...flags, '--node', name], dataDir: join(folder, name) });
    started.push(server);
    return server;
  };
  /** As `penstock cluster status` says; the node that is not `name` as `other`. */
  const statusOf = async (name: string, { dataDir }: Server): Promise<Record<string, string>> => {
    const args = ['cluster', 'status', '--data-dir', dataDir, ...flags.slice(0, 2), '--output', 'json'];
    const { stdout } = await promisify(execFile)(penstock, args);
    const { nodes } = JSON.parse(stdout) as { nodes: { name: string; state: string }[] };
    return Object.fromEntries(nodes.map((node) => [node.name === name ? name : 'other', node.state]));
  };
  const digits = sample('digits_mlp');
  const callDigits = async ({ url }: Server, key: string): Promise<void> => {
    const { status, error, outputs } = await infer(url, 'digits', digits.inputs, { headers: { authorization: `Bearer ${key}` } });
    assert.equal(status, 200, error?.error);
    assertSameTensors(outputs, digits.outputs);
  };

  test('the second serves the same endpoints and keys once the first is killed, stopped or ended', async (t) => {
    let serving = await start('a');
    await serving.deploy('digits', 'digits_mlp');
    const { id, secret } = await serving.callWell<{ id: string; secret: string }>('POST', '/keys', { role: 'invoker' });
    const key = `${id}:${secret}`;
    await callDigits(serving, key);

    const replace = async (name: string, end: () => unknown): Promise<Server> => {
      const next = start(name);
      const present = `select count(*) from pg_locks l join cluster_nodes n on l.classid = ${0x6e6f6465} and n.name = '${name}' and n.state = 'live'`;
      const isPresent = `${present} and l.objid = (n.number * 1048576 + n.incarnation)`;
      await until(`${name} stands by`, async () => (await postgres.psql(isPresent, 'penstock')) === '1');
      assert.deepEqual(await statusOf(name, serving), { [name]: 'stands by', other: 'serves' });
      const fromMs = performance.now();
      await end();
      const server = await next;
      await server.inService('digits');
      t.diagnostic(`${name} serves ${Math.round(performance.now() - fromMs)} ms after the end of the other node`);
      await callDigits(server, key);
      return server;
    };
    const epoch = async (): Promise<number> => Number(await postgres.psql('select epoch from cluster_roles', 'penstock'));
    const before = await epoch();
    serving = await replace('b', () => serving.signal('SIGKILL'));
    const stopped = serving;
    serving = await replace('a', () => stopped.signal('SIGSTOP'));
    stopped.signal('SIGCONT');
    assert.equal((await stopped.ended).code, 1);
    assert.match(stopped.stderr, /another node has taken the place of this one/);
    const next = await replace('b', async () => {
      // Broken connections replace no node.
      await postgres.terminateSessions();
      await until('the server writes again', async () => (await serving.call('POST', '/keys', { role: 'viewer' })).status === 201);
      serving.signal('SIGTERM');
    });
    assert.equal(await epoch(), before + 3);
    serving = next;
    assert.equal((await serving.endpoint('digits')).generation, 1);
  });

  test('without an answer of a server, the command line shows the nodes and says that hosts are missing', async () => {
    const [, databaseUrl = ''] = flags;
    const env = { ...process.env, PENSTOCK_URL: 'http://127.0.0.1:1', PENSTOCK_DATABASE_URL: databaseUrl };
    const status = (...more: string[]) => promisify(execFile)(penstock, ['cluster', 'status', ...more], { env });
    const unanswered = await status();
    assert.match(unanswered.stdout, /^NODE +STATE .*\n[^]*^b +serves /m);
    assert.match(
      unanswered.stderr,
      /no answer of the server .*: this is what the database shows\nhosts are not shown: only the node that serves knows their state\n$/,
    );
    const unasked = await status('--database-url', databaseUrl);
    assert.equal(unasked.stderr, 'hosts are not shown: only the node that serves knows their state; to ask it, leave out --database-url\n');
  });

  test('a node that stands by ends at SIGTERM', async () => {
    const child = spawn(penstock, ['up', '--port', '0', '--data-dir', join(folder, 'c'), ...flags, '--node', 'c'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    const standsBy = Promise.withResolvers<void>();
    child.stderr.on('data', (chunk) => {
      log += String(chunk);
      if (log.includes('standing by')) standsBy.resolve();
    });
    await standsBy.promise;
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
    assert.equal(await postgres.psql("select state from cluster_nodes where name = 'c'", 'penstock'), 'dead', 'it has left the cluster');
  });
});
