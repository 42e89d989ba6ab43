/**
 * Hosts as processes that join with the token that the home keeps in a secret: `npm run test:cluster`. The API server of Kubernetes is one on
 * 127.0.0.1; the file with the token is what a pod of the chart mounts.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ClusterBody } from '../../src/api/index.ts';
import { joinTokenText, parseJoinToken } from '../../src/links/index.ts';
import { until } from '../end-to-end/poll.ts';
import { KubernetesServer } from '../kubernetes-server.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { HostProcesses } from './host-processes.ts';
import { NodesFixture } from './nodes-fixture.ts';

describe('a join token in a secret', { skip: whyNoPostgres(), timeout: 120_000 }, () => {
  let server: KubernetesServer;
  let fixture: NodesFixture;
  const hosts = new HostProcesses();
  const folder = mkdtempSync(join(tmpdir(), 'penstock-join-'));
  const mounted = [`--join`, `@${join(folder, 'token')}`];
  before(async () => {
    server = await KubernetesServer.start();
    server.secrets.set('join', {});
    fixture = await NodesFixture.create();
    const settings = { PENSTOCK_JOIN_SECRET: 'join/token', PENSTOCK_SERVICE_ACCOUNT: server.folder };
    fixture.environments.set('a', { ...settings, ...server.environment });
    await fixture.start('a');
    await fixture.takeKey('a');
    await until('the home has stored a token', () => server.secrets.get('join')?.['token'] !== undefined);
    mount(stored());
  });
  after(async () => {
    hosts.close();
    await fixture?.close();
    await server?.close();
    rmSync(folder, { recursive: true });
  });

  const stored = (): string => Buffer.from(server.secrets.get('join')?.['token'] ?? '', 'base64').toString();
  const mount = (token: string): void => writeFileSync(join(folder, 'token'), token);
  const linked = async (): Promise<string[]> => {
    const cluster = await fixture.call<ClusterBody>('a', 'GET', '/cluster');
    return cluster.hosts.filter(({ is_home: isHome, link }) => !isHome && link === 'linked').map(({ name }) => name);
  };

  test('joins hosts, as many as there are', async () => {
    await Promise.all(['gpu-0', 'gpu-1'].map((name) => hosts.start(name, mounted)));
    assert.deepEqual(await linked(), ['gpu-0', 'gpu-1']);
  });

  test('with another secret gives a host nothing but the sentence that says what to do', async () => {
    mount(joinTokenText({ ...parseJoinToken(stored()), secret: 'guessed' }));
    const { code, log } = await hosts.rejected('gpu-2', mounted);
    mount(stored());
    assert.equal(code, 1);
    assert.match(log, /failed to join the cluster: the join token is unknown, expired, used up, or for another host: create one with/);
    assert.doesNotMatch(log, /guessed/);
    assert.equal(existsSync(join(hosts.dataDirectory('gpu-2'), 'membership.json')), false);
    assert.deepEqual(await linked(), ['gpu-0', 'gpu-1']);
  });

  test('does not bring a removed host back: neither its machine nor another one of its name', async () => {
    const removed = hosts.child('gpu-1');
    await fixture.call('a', 'DELETE', '/cluster/hosts/gpu-1');
    await until('its process has ended', () => removed.exitCode !== null);
    assert.equal(removed.exitCode, 1);
    const again = await hosts.rejected('gpu-1', mounted);
    assert.match(again.log, /the certificate of the host gpu-1 was replaced, or the host removed/);
    rmSync(hosts.dataDirectory('gpu-1'), { recursive: true });
    const { code, log } = await hosts.rejected('gpu-1', mounted);
    assert.equal(code, 1);
    assert.match(
      log,
      /the host gpu-1 was removed from this cluster: .* let it return with a token of `penstock cluster token create --name gpu-1`/,
    );
    assert.deepEqual(await linked(), ['gpu-0']);
  });

  test('of that name alone lets it return', async () => {
    const { token } = await fixture.call<{ token: string }>('a', 'POST', '/cluster/tokens', { host: 'gpu-1' });
    await hosts.start('gpu-1', ['--join', token]);
    assert.deepEqual(await linked(), ['gpu-0', 'gpu-1']);
  });
});
