/** The home scales a StatefulSet: with a server that does what that of Kubernetes does, and the rows of a real database. */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { MemoryHosts } from '../../../test/host-fixture.ts';
import { KubernetesServer } from '../../../test/kubernetes-server.ts';
import { openPglite } from '../../../test/pglite.ts';
import { VirtualClock } from '../../clock.ts';
import type { ControllerTerm } from '../../cluster/index.ts';
import { openLogs } from '../../logs/index.ts';
import { Audit, Decisions, Events } from '../../records/index.ts';
import type { OpenDatabase } from '../../storage/index.ts';
import { HostStates } from '../host-states.ts';
import type { HostsWanted } from '../hosts-wanted.ts';
import { HostScaler } from './host-scaler.ts';
import { kubernetesPlace } from './kubernetes-api.ts';
import { KubernetesSet } from './kubernetes-set.ts';

const tenMinutes = 600_000;

describe('a set of hosts', () => {
  let opened: OpenDatabase;
  let server: KubernetesServer;
  let clock: VirtualClock;
  let hosts: MemoryHosts;
  let states: HostStates;
  let wanted: HostsWanted | null;
  before(async () => {
    opened = await openPglite();
    server = await KubernetesServer.start();
  });
  after(async () => {
    await server?.close();
    await opened?.close();
  });
  beforeEach(async () => {
    const { db } = opened;
    await db.updateTable('cluster_roles').set({ holder: null, incarnation: null, epoch: 0 }).execute();
    for (const table of ['cluster_host_sets', 'cluster_hosts', 'cluster_nodes', 'decisions', 'events'] as const)
      await db.deleteFrom(table).execute();
    clock = new VirtualClock(1_000_000);
    hosts = new MemoryHosts();
    const events = new Events(db, clock);
    states = new HostStates({ db, clock, events, audit: new Audit(db, clock) });
    await states.open();
    server.set('gpu', 1);
    server.changes.length = 0;
    server.log.length = 0;
  });
  afterEach(() => {
    server.before = async () => undefined;
    server.instead = () => false;
    server.verbs.add('patch');
  });

  /** This node is the home from now on. */
  const becomeHome = async (name: string): Promise<HostScaler> => {
    const { db } = opened;
    const lease = { expires_at: Date.now() + 60_000, joined_at: 5000 };
    const node = { name, number: name.charCodeAt(0), incarnation: 1, state: 'live', version: '0.1.0', draining: 0, clock_offset: 0 };
    await db
      .insertInto('cluster_nodes')
      .values({ ...node, ...lease })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const { epoch } = await db
      .updateTable('cluster_roles')
      .set((row) => ({ holder: name, incarnation: 1, epoch: row('epoch', '+', 1) }))
      .returning('epoch')
      .executeTakeFirstOrThrow();
    const term: ControllerTerm = { holder: { name, incarnation: 1 }, epoch: Number(epoch) };
    const placements = {
      get wanted() {
        return wanted;
      },
    };
    const log = openLogs(null, 'silent').platform;
    const events = new Events(db, clock);
    const decisions = new Decisions(db, clock, events);
    const deps = { db, clock, log, events, decisions, states, hosts, placements, term: () => term };
    const set = new KubernetesSet(kubernetesPlace(server.environment, server.folder), 'gpu');
    return new HostScaler(deps, { name: 'gpu', limits: { min: 1, max: 4 }, set });
  };
  const need = (count: number): void => {
    wanted = { hosts: count, packed: count, spare: 0, tooLarge: 0, reason: `${count} workers` };
  };
  /** What the engine runs has joined. */
  const join = async (): Promise<void> => {
    for (let ordinal = 0; ordinal < server.replicas('gpu'); ordinal++) {
      const name = `gpu-${ordinal}`;
      hosts.set(name, { link: 'linked' });
      await states.linked({ name, zone: 'a', cpuMilli: 8000, memoryMiB: 16_384 });
    }
  };
  /** The set grows to `count` hosts, and after ten minutes with a need for one less, the highest of them is emptied. */
  const emptyHighest = async (home: HostScaler, count: number, hasWorker = false): Promise<void> => {
    need(count);
    await home.round();
    await join();
    need(count - 1);
    if (hasWorker) hosts.start('w1', `gpu-${count - 1}`);
    await home.round();
    clock.advance(tenMinutes);
    await home.round();
  };
  const decisions = async () =>
    (
      await new Decisions(opened.db, clock, new Events(opened.db, clock)).list({ endpoint: null, kind: 'host-set', limit: 99 })
    ).toReversed();
  const events = async (): Promise<string[]> => {
    const rows = await opened.db.selectFrom('events').select(['kind', 'subject', 'detail']).orderBy('seq').execute();
    return rows
      .filter(({ kind }) => kind.startsWith('host-set.'))
      .map(({ kind, detail }) => {
        const { before: from, hosts: to, epoch, problem } = JSON.parse(detail);
        return kind === 'host-set.failed' ? `failed: ${problem}` : `${from} to ${to} by ${epoch}`;
      });
  };

  test('has a decision for each change, drain and return: from what, to how many, and why', async () => {
    const home = await becomeHome('a');
    await emptyHighest(home, 3, true);
    assert.equal(home.status.draining, 'gpu-2');
    need(3);
    await home.round();
    need(9);
    await home.round();
    const made = await decisions();
    assert.deepEqual(
      made.map(({ explanation }) => explanation),
      [
        'gpu grows from 1 to 3 hosts: 3 hosts wanted: 3 workers',
        'gpu-2 is drained, so that gpu can shrink from 3 to 2 hosts: 2 hosts wanted: 2 workers; gpu-2 is the highest',
        'gpu-2 takes workers again: 3 hosts wanted: 3 workers',
        'gpu grows from 3 to 4 hosts: 9 hosts wanted, of at most 4: 9 workers',
      ],
    );
    const limits = { set: 'gpu', min: 1, max: 4, others: 0 };
    assert.deepEqual(made[1]?.inputs, { ...limits, hosts: 3, wanted: { hosts: 2, reason: '2 workers' }, surplusMs: tenMinutes });
    assert.deepEqual(made[1]?.chosen, { action: 'drain', hosts: 3, host: 'gpu-2' });
    assert.deepEqual(made.at(-1)?.alternatives, [
      { hosts: 3, text: '1 fewer, as before' },
      { hosts: 9, text: 'more than the limit of 4' },
    ]);
    assert.deepEqual(
      made.map(({ endpoint, variant, changes }) => [endpoint, variant, changes]),
      made.map(() => [null, '', true]),
    );
    const { wanted: wants, hosts: runs, linked } = home.status;
    assert.deepEqual([wants, runs, linked], [4, 4, 3]);
  });

  test('has no decision for a change that the engine rejects, and one for a change that the next home completes', async () => {
    const old = await becomeHome('a');
    need(3);
    server.verbs.delete('patch');
    await old.round();
    server.verbs.add('patch');
    assert.deepEqual(await decisions(), []);
    server.before = async (method) => {
      if (method === 'PATCH') server.instead = (response) => (response.destroy(), true);
    };
    await old.round();
    server.before = async () => undefined;
    server.instead = () => false;
    need(2); // as the next home sees it, which does not change why the first one decided
    await (await becomeHome('b')).round();
    const [only, ...others] = await decisions();
    assert.deepEqual([only?.explanation, others.length], ['gpu grows from 1 to 3 hosts: 3 hosts wanted: 3 workers', 0]);
  });

  test('grows to what is wanted, within its bounds, and each change is an event with its reason', async () => {
    const home = await becomeHome('a');
    need(3);
    await home.round();
    await home.round();
    assert.deepEqual(server.changes, [{ replicas: 3, manager: 'penstock-epoch-1' }]);
    need(9);
    await home.round();
    assert.equal(server.replicas('gpu'), 4);
    assert.deepEqual(await events(), ['1 to 3 by 1', '3 to 4 by 1']);
    assert.equal(home.status.hosts, 4);
    const { detail } = await opened.db
      .selectFrom('events')
      .select('detail')
      .where('kind', '=', 'host-set.scaled')
      .executeTakeFirstOrThrow();
    assert.deepEqual(JSON.parse(detail), { before: 1, hosts: 3, reason: '3 hosts wanted: 3 workers', epoch: 1, min: 1, max: 4, wanted: 3 });
  });

  test('shrinks after 10 min without need: the highest host is emptied, then ends, then may return with workers', async () => {
    const home = await becomeHome('a');
    await emptyHighest(home, 3, true);
    assert.deepEqual([states.wantedOf('gpu-2'), server.replicas('gpu')], ['draining', 3]);
    await home.round();
    assert.equal(server.replicas('gpu'), 3, 'a worker is left');
    hosts.stop('w1', 'gpu-2');
    await home.round();
    assert.equal(server.replicas('gpu'), 2);
    await home.round();
    assert.equal(states.wantedOf('gpu-2'), 'draining', 'it takes no workers while it ends');
    hosts.set('gpu-2', { link: 'lost' });
    await home.round();
    assert.equal(states.get('gpu-2'), undefined, 'its row is gone');
    need(3);
    await home.round();
    await join();
    assert.equal(states.wantedOf('gpu-2'), 'ready');
    assert.deepEqual(await events(), ['1 to 3 by 1', '3 to 2 by 1', '2 to 3 by 1']);
  });

  test('keeps a host that is needed again while it is emptied', async () => {
    const home = await becomeHome('a');
    await emptyHighest(home, 2, true);
    assert.equal(states.wantedOf('gpu-1'), 'draining');
    need(2);
    await home.round();
    assert.equal(states.wantedOf('gpu-1'), 'ready');
    need(1);
    hosts.stop('w1', 'gpu-1');
    await home.round();
    assert.equal(states.wantedOf('gpu-1'), 'ready', 'the 10 min begin again');
    assert.deepEqual(await events(), ['1 to 2 by 1']);
  });

  test('is left alone while the server of Kubernetes fails, which is reported once for each reason', async () => {
    const home = await becomeHome('a');
    need(3);
    server.instead = (response) => {
      response.destroy();
      return true;
    };
    await home.round();
    await home.round();
    assert.match(home.status.problem ?? '', /does not answer/);
    server.instead = () => false;
    server.verbs.delete('patch');
    await home.round();
    await home.round();
    assert.match(home.status.problem ?? '', /answered 403 .* needs get and patch of statefulsets\/scale$/);
    server.verbs.add('patch');
    need(2);
    await home.round();
    assert.deepEqual([server.replicas('gpu'), home.status.problem], [2, null], 'a change that was rejected is not made later');
    const all = await events();
    assert.deepEqual(
      all.map((text) => text.slice(0, 7)),
      ['failed:', 'failed:', '1 to 2 '],
    );
  });

  test('is decided about again if it was changed meanwhile', async () => {
    const home = await becomeHome('a');
    need(3);
    server.before = async (method) => {
      if (method === 'PATCH') server.touch('gpu');
    };
    await home.round();
    assert.deepEqual([server.replicas('gpu'), await events()], [1, []]);
    server.before = async () => undefined;
    await home.round();
    assert.equal(server.replicas('gpu'), 3);
    assert.deepEqual(server.log, ['GET  200', 'PATCH penstock-epoch-1 409', 'GET  200', 'PATCH penstock-epoch-1 200']);
  });

  test('is not changed by a home that was stopped while it read, and replaced', async () => {
    const old = await becomeHome('a');
    need(4);
    const reading = Promise.withResolvers<void>();
    const isHeld = Promise.withResolvers<void>();
    server.before = () => (isHeld.resolve(), reading.promise);
    const stopped = old.round();
    await isHeld.promise;
    server.before = async () => undefined;
    need(2);
    const next = await becomeHome('b');
    await next.round();
    assert.equal(server.replicas('gpu'), 2);
    need(4); // as the old one believes
    reading.resolve();
    await stopped;
    assert.deepEqual(server.changes, [{ replicas: 2, manager: 'penstock-epoch-2' }]);
  });

  test('is not changed by a request of an earlier home that arrives late', async () => {
    const old = await becomeHome('a');
    await emptyHighest(old, 2);
    assert.equal(states.wantedOf('gpu-1'), 'draining');
    // The old home asks for one host, and the request is on its way when it is replaced.
    const wire = Promise.withResolvers<void>();
    const isSent = Promise.withResolvers<void>();
    server.before = (method) => (method === 'PATCH' ? (isSent.resolve(), wire.promise) : Promise.resolve());
    const stopped = old.round();
    await isSent.promise;
    server.before = async () => undefined;
    // By now two hosts are needed. The next home cannot know whether the request arrives, so it does not put workers on gpu-1 before.
    need(2);
    const next = await becomeHome('b');
    await next.round();
    assert.deepEqual([server.replicas('gpu'), states.wantedOf('gpu-1')], [1, 'draining']);
    await next.round();
    assert.equal(states.wantedOf('gpu-1'), 'ready');
    await next.round();
    assert.equal(server.replicas('gpu'), 2);
    wire.resolve();
    await stopped;
    assert.equal(server.log.at(-1), 'PATCH penstock-epoch-1 409');
    assert.deepEqual([server.replicas('gpu'), states.wantedOf('gpu-1')], [2, 'ready']);
    assert.deepEqual(await events(), ['1 to 2 by 1', '2 to 1 by 2', '1 to 2 by 2']);
  });

  test('is changed once if the answer to a change was lost', async () => {
    const home = await becomeHome('a');
    need(3);
    let lost = 0;
    server.before = async (method) => {
      if (method !== 'PATCH' || lost++ > 0) return;
      server.set('gpu', 3);
      server.instead = (response) => (response.destroy(), true);
    };
    await home.round();
    assert.match(home.status.problem ?? '', /does not answer/);
    server.instead = () => false;
    await home.round();
    await home.round();
    assert.deepEqual([server.replicas('gpu'), lost], [3, 1]);
    assert.deepEqual((await events()).slice(1), ['1 to 3 by 1']);
  });

  test('waits with a change of an earlier home to fewer hosts while the host has workers again', async () => {
    const old = await becomeHome('a');
    await emptyHighest(old, 2);
    server.instead = (response) => (response.destroy(), true);
    server.before = async (method) => {
      if (method === 'GET') server.instead = () => false;
      else server.instead = (response) => (response.destroy(), true);
    };
    await old.round();
    server.before = async () => undefined;
    server.instead = () => false;
    await states.set('gpu-1', 'ready', 'ada');
    hosts.start('w1', 'gpu-1');
    const next = await becomeHome('b');
    await next.round();
    assert.equal(server.replicas('gpu'), 2);
    assert.match(next.status.reason, /^an earlier change of the number of hosts to 1 may still be made, and gpu-1 has workers: drain it$/);
    server.touch('gpu'); // its status changed: the earlier change can no longer be made
    await next.round();
    await next.round();
    assert.deepEqual([server.replicas('gpu'), states.wantedOf('gpu-1')], [2, 'ready']);
  });
});
