/**
 * Homes that are stopped (SIGSTOP) while they scale hosts, and replaced: `npm run test:cluster`. Nodes and hosts are processes; the API server of
 * Kubernetes is one on 127.0.0.1 that compares versions as the real one does.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../end-to-end/poll.ts';
import { KubernetesServer } from '../kubernetes-server.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { HostProcesses } from './host-processes.ts';
import { ended, NodesFixture } from './nodes-fixture.ts';

/** What a request waits for, and a promise of its arrival. */
interface HeldRequest {
  readonly arrived: Promise<void>;
  readonly manager: () => string;
  release(): void;
}

describe('a home that scales hosts', { skip: whyNoPostgres() }, () => {
  let server: KubernetesServer;
  let fixture: NodesFixture;
  const hosts = new HostProcesses();
  before(async () => {
    server = await KubernetesServer.start();
    server.set('gpu', 1);
    fixture = await NodesFixture.create();
    const settings = {
      SCALE_HOSTS: 'gpu',
      SCALE_HOSTS_RANGE: '1..4',
      SERVICE_ACCOUNT: server.folder,
      HOST_SIZE: '1/1GiB',
      LOCAL_WORKERS: 'never',
    };
    const env = Object.fromEntries(Object.entries(settings).map(([name, value]) => [`PENSTOCK_${name}`, value]));
    for (const name of ['a', 'b']) fixture.environments.set(name, { ...env, ...server.environment });
    for (const name of ['a', 'b']) await fixture.start(name);
  });
  after(async () => {
    hosts.close();
    await fixture?.close();
    await server?.close();
  });

  /** Holds the next request of this method, before the server does it. */
  const hold = (method: string): HeldRequest => {
    const [arrived, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let manager = '';
    server.before = async (of, by) => {
      if (of !== method) return;
      server.before = async () => undefined;
      manager = by;
      arrived.resolve();
      await released.promise;
    };
    return { arrived: arrived.promise, manager: () => manager, release: () => released.resolve() };
  };
  const events = async (): Promise<string[]> => {
    const rows = await fixture.postgres.psql(`select detail from events where kind = 'host-set.scaled' order by seq`, 'penstock');
    return rows
      .split('\n')
      .filter((row) => row !== '')
      .map((row) => {
        const { before: from, hosts: to, epoch } = JSON.parse(row) as { before: number; hosts: number; epoch: number };
        return `${from} to ${to} by ${epoch}`;
      });
  };
  const epoch = async (): Promise<number> => Number(await fixture.postgres.psql('select epoch from cluster_roles', 'penstock'));
  /** Returns the node that serves instead. */
  const replace = async (home: string): Promise<string> => {
    fixture.node(home).child.kill('SIGSTOP');
    const next = home === 'a' ? 'b' : 'a';
    await until(`${next} serves instead of ${home}`, async () => (await fixture.home()) === next);
    return next;
  };
  const continueStopped = async (name: string): Promise<void> => {
    fixture.node(name).child.kill('SIGCONT');
    assert.equal(await ended(fixture.node(name)), 1, 'it was replaced, so it ends');
    await fixture.start(name);
  };

  test('that is stopped with a change on its way to Kubernetes changes nothing once it was replaced', async () => {
    const home = await fixture.home();
    const first = await epoch();
    await hosts.join(fixture, home, 'gpu-0');
    const request = hold('PATCH');
    await fixture.deployDigits(home);
    await request.arrived;
    assert.equal(request.manager(), `penstock-epoch-${first}`);
    await replace(home);
    await until('the next home has finished the change', async () => (await events()).length === 1);
    const second = await epoch();
    assert.deepEqual(await events(), [`1 to 2 by ${second}`]);
    request.release();
    await until('the late change has arrived', () => server.log.includes(`PATCH penstock-epoch-${first} 409`));
    await continueStopped(home);
    assert.deepEqual(server.changes, [{ replicas: 2, manager: `penstock-epoch-${second}` }]);
  });

  test('that is stopped while it reads the number decides nothing once it was replaced', async () => {
    const home = await fixture.home();
    const first = await epoch();
    const request = hold('GET');
    await request.arrived;
    fixture.node(home).child.kill('SIGSTOP');
    request.release(); // it reads an old number when it goes on
    const next = await replace(home);
    await fixture.call(next, 'PATCH', '/endpoints/digits', { variants: [{ name: 'AllTraffic', instance_count: 2 }] });
    await until('the next home has scaled', () => server.replicas('gpu') === 3);
    const changed = server.log.length;
    await continueStopped(home);
    const late = server.log.slice(changed).filter((line) => line.includes(`penstock-epoch-${first} `));
    assert.deepEqual(late, []);
    assert.deepEqual(
      server.changes.map(({ replicas }) => replicas),
      [2, 3],
    );
  });
});
