/** `penstock cluster token`, `remove` and `rotate` at a node, and a host that joins with what they print. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { SystemClock } from '../../src/clock.ts';
import { HostIdentity, parseJoinToken } from '../../src/links/index.ts';
import { SeededRandom } from '../../src/random.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../postgres-server.ts';
import { penstock, Server, temporaryDirectory } from './server.ts';

describe('access to a cluster', { skip: whyNoPostgres(), timeout: 120_000 }, () => {
  const folder = temporaryDirectory();
  let postgres: PostgresServer;
  let server: Server;
  before(async () => {
    postgres = await startPostgres(mkdtempSync(join(tmpdir(), 'penstock-access-')));
    const keyFile = join(folder, 'cluster.key');
    writeFileSync(keyFile, randomBytes(32).toString('base64'), { mode: 0o600 });
    const url = await postgres.createDatabase('penstock');
    const flags = ['--node', 'a', '--link', '127.0.0.1:0', '--database-url', url, '--objects', 'postgres', '--cluster-key-file', keyFile];
    server = await Server.start({ flags, dataDir: join(folder, 'a') });
  });
  after(async () => {
    await server?.end();
    await postgres?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = async (...args: readonly string[]): Promise<string> =>
    (await promisify(execFile)(penstock, ['cluster', ...args, '--data-dir', server.dataDir])).stdout;
  const joinAs = (name: string, token: string | null, file = name): Promise<HostIdentity> =>
    HostIdentity.open({
      clock: new SystemClock(),
      random: new SeededRandom(1),
      file: join(folder, `${file}.json`),
      name,
      token,
      signal: AbortSignal.timeout(20_000),
      onFailure: assert.ifError,
    });

  test('a host joins with the printed token, which is then used up, and is refused once it is removed', async () => {
    const printed = await run('token', 'create', '--ttl', '5m');
    const token = /^penstock host --join (\S+)\n$/.exec(printed)?.[1] ?? '';
    assert.match(await run('token', 'list'), /any new +0 of 1/);
    const host = await joinAs('h1', token);
    assert.doesNotMatch(await run('token', 'list'), /0 of 1/);
    await assert.rejects(joinAs('h2', token), { code: 'forbidden', message: /used up/ });
    const dial = (): Promise<unknown> => host.dialer.dial('host', {}, AbortSignal.timeout(300));
    await assert.rejects(dial(), { code: 'invalid_request', message: /the introduction of a host needs its zone/ });
    assert.match(await run('remove', 'h1'), /h1 was removed/);
    await assert.rejects(dial(), { code: 'forbidden', message: /removed/ });
    await host.close();
  });

  test('a dead node can be removed, and one that is live cannot', async () => {
    const lease = '1, 1, 1, 0';
    await postgres.psql(
      `insert into cluster_nodes (name, number, incarnation, expires_at, joined_at, clock_offset, draining, state, version)
       values ('gone', 9, 1, ${lease}, 'dead', '0.1.0')`,
      'penstock',
    );
    assert.match(await run('status'), /^gone +dead/m);
    await assert.rejects(run('remove', 'a'), /node a is live \(serves\): stop its process first.*then remove it/);
    assert.match(await run('remove', 'gone'), /node gone was removed/);
    assert.doesNotMatch(await run('status'), /^gone/m);
    await assert.rejects(run('remove', 'gone', '--node'), /there is no node gone: the nodes are a/);
  });

  test('a token can be for one host, be revoked, and is recorded in the audit without its secret', async () => {
    const created = JSON.parse(await run('token', 'create', '--name', 'h3', '--output', 'json')) as { id: string; token: string };
    await assert.rejects(joinAs('h4', created.token), { code: 'forbidden' });
    await (await joinAs('h3', created.token)).close();
    const other = JSON.parse(await run('token', 'create', '--uses', '3', '--output', 'json')) as { id: string; token: string };
    await run('token', 'revoke', other.id);
    await assert.rejects(joinAs('h5', other.token), { code: 'forbidden' });
    const { items } = await server.callWell<{ items: { action: string; target: string }[] }>('GET', '/audit?limit=50');
    const seen = items.map(({ action, target }) => `${action} ${target}`);
    for (const line of [`CreateJoinToken ${other.id}`, `RevokeJoinToken ${other.id}`, 'JoinHost h3', 'RemoveHost h1', 'RemoveNode gone']) {
      assert.ok(seen.includes(line), `${line} in ${seen.join(', ')}`);
    }
    assert.ok(!JSON.stringify(items).includes(parseJoinToken(created.token).secret));
  });

  test('the authority is replaced within a day, or at once', async () => {
    const { token } = JSON.parse(await run('token', 'create', '--output', 'json')) as { token: string };
    assert.equal(parseJoinToken(token).authorities.length, 1);
    assert.match(await run('rotate'), /authority 2 issues certificates from /);
    const both = JSON.parse(await run('token', 'create', '--output', 'json')) as { token: string };
    assert.equal(parseJoinToken(both.token).authorities.length, 2);
    await assert.rejects(run('rotate'), /a new authority issues certificates from/);
    assert.match(await run('rotate', '--cluster-key'), /3 secrets were encrypted again/);
    assert.match(await run('rotate', '--urgent'), /authority 3 issues certificates now: hosts must join again/);
  });
});
