/** A join token in a secret of Kubernetes, on a real PostgreSQL: hosts join with what is there. */
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { LinkedCluster } from '../../../test/authority-fixture.ts';
import { silentLog } from '../../../test/hosts-fixture.ts';
import { KubernetesServer } from '../../../test/kubernetes-server.ts';
import { type PostgresServer, startPostgres, whyNoPostgres } from '../../../test/postgres-server.ts';
import { VirtualClock } from '../../clock.ts';
import { joinTokenText } from '../../links/index.ts';
import { Audit } from '../../records/index.ts';
import { JoinSecret, secretKeyOf } from './join-secret.ts';
import { kubernetesPlace } from './kubernetes-api.ts';

const dayMs = 86_400_000;

describe('the join token in a secret', { skip: whyNoPostgres() }, () => {
  let postgres: PostgresServer;
  let server: KubernetesServer;
  before(async () => {
    postgres = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-join-secret-')));
    server = await KubernetesServer.start();
  });
  after(async () => {
    await server?.close();
    await postgres?.stop();
  });

  const open = async (t: { after(run: () => Promise<void> | void): void }) => {
    server.secrets.set('join', { other: 'eA==' });
    server.verbs.add('patch');
    server.log.length = 0;
    const cluster = await LinkedCluster.create(t, postgres);
    const { links, db } = await cluster.node('a');
    const clock = new VirtualClock(Date.now());
    const home = { isHome: true, nodes: links.nodes, authorities: links.authority.hashes };
    const secret = new JoinSecret(
      {
        db,
        clock,
        log: silentLog,
        audit: new Audit(db, clock),
        tokens: links.tokens,
        cluster: () => home,
        term: () => (home.isHome ? { holder: { name: 'a', incarnation: 1 }, epoch: 1 } : null),
      },
      kubernetesPlace(server.environment, server.folder),
      secretKeyOf('join/token'),
    );
    const stored = (): string => Buffer.from(server.secrets.get('join')?.token ?? '', 'base64').toString();
    return { cluster, links, clock, home, secret, stored };
  };

  test('is made if the secret has none, and a host joins with it', async (t) => {
    const { cluster, links, secret, stored } = await open(t);
    await secret.round();
    assert.deepEqual(secret.notes, []);
    assert.deepEqual(Object.keys(server.secrets.get('join') ?? {}), ['other', 'token'], 'other keys stay');
    await cluster.host('gpu-0', stored());
    const [summary] = await links.tokens.list();
    assert.deepEqual([summary?.uses, summary?.usesMax, summary?.host], [1, 1000, null]);
  });

  test('stays until half of its life is over, and the one before is valid for the rest of it', async (t) => {
    const { cluster, links, clock, secret, stored } = await open(t);
    await secret.round();
    const first = stored();
    clock.advance(3 * dayMs);
    await secret.round();
    assert.equal(stored(), first);
    clock.advance(dayMs);
    await secret.round();
    assert.notEqual(stored(), first);
    for (const [i, token] of [first, stored()].entries()) await cluster.host(`gpu-${i}`, token);
    assert.equal((await links.tokens.list()).length, 2);
  });

  test('is replaced if it leads to no node, or names no authority that is trusted, or is no token', async (t) => {
    const { links, home, secret, stored } = await open(t);
    await secret.round();
    for (const change of [
      () => (home.nodes = ['127.0.0.1:9']),
      () => (home.authorities = [...links.authority.hashes, 'f00d']),
      () => server.secrets.set('join', { token: 'eA==' }),
      () => server.secrets.set('join', { token: Buffer.from(joinTokenText({ id: 'no', secret: 'no', ...home })).toString('base64') }),
    ]) {
      change();
      const before = stored();
      await secret.round();
      assert.notEqual(stored(), before);
    }
  });

  test('is not touched by a node that is not the home', async (t) => {
    const { home, secret } = await open(t);
    home.isHome = false;
    await secret.round();
    assert.deepEqual(server.log, []);
  });

  test('that cannot be stored is revoked, and the status says what is missing', async (t) => {
    const { links, secret } = await open(t);
    server.verbs.delete('patch');
    const againMs = await secret.round();
    assert(againMs < 60_000, 'it is tried again soon');
    assert.deepEqual(await links.tokens.list(), []);
    assert.match(
      secret.notes.join(),
      /^the secret join is not renewed, .*: Kubernetes answered 403 to a change of the secret join: .* needs get and patch of it$/,
    );
    server.secrets.delete('join');
    await secret.round();
    assert.match(secret.notes.join(), /answered 404 to a look at the secret join: secrets "join" not found\. It must exist/);
    server.secrets.set('join', {});
    server.verbs.add('patch');
    await secret.round();
    assert.deepEqual(secret.notes, []);
  });
});
