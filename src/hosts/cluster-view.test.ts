import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { MemoryHosts } from '../../test/host-fixture.ts';
import { openPglite } from '../../test/pglite.ts';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { openLogs } from '../logs/index.ts';
import type { WorkerView } from '../providers/index.ts';
import { Audit, Decisions, Events } from '../records/index.ts';
import type { OpenDatabase } from '../storage/index.ts';
import { ClusterView, type NodeLink } from './cluster-view.ts';
import { HostStates } from './host-states.ts';
import type { UnplacedWorker } from './hosts-view.ts';

describe('the cluster as its operators see it', () => {
  let opened: OpenDatabase;
  const clock = new VirtualClock(1_000_000);
  let hosts: MemoryHosts;
  let states: HostStates;
  let view: ClusterView;
  let pending: UnplacedWorker[];
  const links = new Map<string, NodeLink>();
  before(async () => {
    opened = await openPglite();
  });
  after(async () => opened?.close());
  beforeEach(async () => {
    const { db } = opened;
    await db.updateTable('cluster_roles').set({ holder: null, incarnation: null }).execute();
    for (const table of ['cluster_hosts', 'cluster_nodes', 'events'] as const) await db.deleteFrom(table).execute();
    const events = new Events(db, clock);
    hosts = new MemoryHosts();
    pending = [];
    states = new HostStates({ db, clock, events, audit: new Audit(db, clock) });
    await states.open();
    const decisions = new Decisions(db, clock, events);
    const placements = {
      moving: [],
      wanted: null,
      get pending() {
        return pending;
      },
    };
    view = new ClusterView({
      db,
      clock,
      log: openLogs(null, 'silent').platform,
      events,
      decisions,
      states,
      hosts,
      placements,
      nodeLinks: () => links,
    });
  });

  const node = (name: string, changes: { readonly clock_offset?: number; readonly state?: string } = {}) => {
    const number = name.charCodeAt(0);
    const lease = { expires_at: Date.now() + 60_000, joined_at: 5000 };
    return { name, number, incarnation: 1, state: 'live', version: '0.1.0', draining: 0, clock_offset: 0, ...lease, ...changes };
  };
  /** Without what is said of steps of the tables: any of them may be new. */
  const notesOf = ({ notes }: { readonly notes: readonly string[] }): string[] => notes.filter((note) => !note.includes('finish-upgrade'));
  const events = async (): Promise<string[]> => {
    const rows = await opened.db.selectFrom('events').select(['kind', 'subject']).orderBy('seq').execute();
    return rows.map(({ kind, subject }) => `${kind} ${subject}`);
  };

  test('says which node serves', async () => {
    await opened.db
      .insertInto('cluster_nodes')
      .values([node('a'), node('b'), node('c', { state: 'dead' })])
      .execute();
    await opened.db.updateTable('cluster_roles').set({ holder: 'b', incarnation: 1 }).execute();
    const { nodes } = await view.status();
    assert.deepEqual(
      nodes.map(({ name, state }) => `${name} ${state}`),
      ['a stands by', 'b serves', 'c dead'],
    );
  });

  test('reports a wrong clock once until it is right again, and notes it meanwhile', async () => {
    const set = async (offset: number): Promise<void> => {
      await opened.db.updateTable('cluster_nodes').set({ clock_offset: offset }).execute();
      await view.checkClocks();
    };
    await opened.db
      .insertInto('cluster_nodes')
      .values([node('a')])
      .execute();
    await set(-60_000);
    await set(-61_000);
    assert.deepEqual(await events(), ['node.clock-skewed a']);
    assert.deepEqual(notesOf(view), ['the clock of node a is 61.0 s behind that of the database: set it, for example with NTP']);
    await set(100);
    assert.deepEqual(notesOf(view), []);
    await set(60_000);
    assert.equal((await events()).length, 2);
  });

  test('shows how each node is linked to the home, if it is', async () => {
    await opened.db
      .insertInto('cluster_nodes')
      .values([node('a'), node('b'), node('c')])
      .execute();
    links.set('b', { lagMs: 0.8, via: null }).set('c', { lagMs: null, via: 'b' });
    const { nodes } = await view.status();
    links.clear();
    assert.deepEqual(
      nodes.map(({ link }) => link),
      [null, { lagMs: 0.8, via: null }, { lagMs: null, via: 'b' }],
    );
  });

  test('reports a wrong clock of a host, too, once until it is right again', async () => {
    await opened.db
      .insertInto('cluster_nodes')
      .values([node('a')])
      .execute();
    for (const clockAheadMs of [2500, 2600, 10, null, -9000]) {
      hosts.set('h1', { clockAheadMs });
      await view.checkClocks();
    }
    assert.deepEqual(await events(), ['host.clock-skewed h1', 'host.clock-skewed h1']);
  });

  test('counts lost hosts and workers without room, and notes what to do about them', async () => {
    assert.deepEqual([view.shortage, notesOf(view)], [{ lostHosts: 0, waitingWorkers: 0 }, []]);
    for (const name of ['h1', 'h2']) hosts.set(name);
    hosts.set('h3', { link: 'lost' });
    pending = [{ worker: 'd0', endpoint: 'digits', reason: 'no room', sinceMs: 1, cpuMilli: 1000, memoryMiB: 1, accelerator: null }];
    assert.deepEqual(view.shortage, { lostHosts: 1, waitingWorkers: 1 });
    assert.deepEqual(notesOf(view), [
      'host h3 is lost, and its workers run elsewhere: start it again, or run penstock cluster remove h3',
      'd0 waits for room on a host: start another host, or see penstock cluster status',
    ]);
    for (const name of ['h1', 'h2']) hosts.set(name, { link: 'lost' });
    pending = [];
    assert.deepEqual(notesOf(view), ['3 hosts are lost, and their workers run elsewhere (h1, h2, h3): start them again, or remove them']);
  });

  test('shows the clock of a host against that of the database, and notes it if it is wrong', async () => {
    await opened.db
      .insertInto('cluster_nodes')
      .values([node('a', { clock_offset: -1500 })])
      .execute();
    hosts.set('a', { isHome: true });
    hosts.set('h1', { clockAheadMs: 1200, lagMs: 3 });
    hosts.set('h2', { clockAheadMs: -1000 });
    const status = await view.status();
    const { hosts: shown } = status;
    assert.deepEqual(
      shown.map(({ name, clockOffsetMs, lagMs }) => [name, clockOffsetMs, lagMs]),
      [
        ['a', null, 1],
        ['h1', -300, 3],
        ['h2', -2500, 1],
      ],
    );
    assert.deepEqual(notesOf(status), ['the clock of host h2 is 2.5 s behind that of the database: set it, for example with NTP']);
  });

  test('shows what was read last while the database does not answer, and since when', async () => {
    await opened.db
      .insertInto('cluster_nodes')
      .values([node('a')])
      .execute();
    await view.status();
    const readMs = clock.wallMs();
    await opened.db.schema.alterTable('cluster_nodes').renameTo('cluster_nodes_away').execute();
    try {
      clock.advance(30_000);
      const { nodes, asOfMs, databaseAwaySinceMs, notes } = await view.status();
      assert.deepEqual([nodes.map(({ name }) => name), asOfMs, databaseAwaySinceMs], [['a'], readMs, readMs]);
      assert.match(notes[0] ?? '', /^PostgreSQL has not answered since \d\d:\d\d:\d\d \(UTC\): nodes and placements are shown as of then/);
    } finally {
      await opened.db.schema.alterTable('cluster_nodes_away').renameTo('cluster_nodes').execute();
    }
    const now = await view.status();
    assert.deepEqual([now.asOfMs, now.databaseAwaySinceMs, notesOf(now)], [clock.wallMs(), null, []]);
  });

  test('adds up what workers reserve, and what the operator and the link say of the host', async () => {
    hosts.set('h1');
    hosts.start('d0', 'h1');
    hosts.start('d1', 'h1');
    hosts.set('h2', { link: 'away', silentMs: 1700 });
    hosts.set('h3', { link: 'lost', silentMs: 9000 });
    for (const host of hosts.list()) await states.linked(host);
    const draining = await view.setWanted('h1', 'draining', 'ada');
    assert.deepEqual([draining.state, draining.cpuUsedMilli, draining.memoryUsedMiB], ['draining', 4000, 8192]);
    assert.deepEqual(
      view.hosts().map(({ name, state, silentMs }) => [name, state, silentMs]),
      [
        ['h1', 'draining', 20],
        ['h2', 'away', 1700],
        ['h3', 'lost', 9000],
      ],
    );
  });

  test('counts what tasks of jobs reserve, not those that have ended', () => {
    const held = { cpuMilli: 3000, memoryMiB: 2048 };
    hosts.set('h1', { tasks: held, hostTasks: [{ id: 'train-1/2/1795881002000', state: 'running', ...held }] });
    hosts.start('d0', 'h1');
    const { cpuUsedMilli, memoryUsedMiB, hostTasks } = view.host('h1');
    assert.deepEqual([cpuUsedMilli, memoryUsedMiB, hostTasks.length], [5000, 6144, 1]);
  });

  test('shows a host whose agent stops as draining, whatever the operator wants of it', () => {
    hosts.set('h1', { isLeaving: true, endsInMs: 40_000 });
    const { state, endsAtMs } = view.host('h1');
    assert.deepEqual([state, endsAtMs], ['draining', clock.wallMs() + 40_000]);
  });

  test('shows a host of an earlier home as lost, and rejects a name that no host has', async () => {
    await states.linked({ name: 'h1', zone: 'b', cpuMilli: 4000, memoryMiB: 8192 });
    const { state, zone, silentMs, workers } = view.host('h1');
    assert.deepEqual([state, zone, silentMs, workers], ['lost', 'b', null, []]);
    const isUnknown = (error: unknown): boolean => error instanceof PlatformError && error.code === 'not_found';
    assert.throws(() => view.host('h2'), isUnknown);
    await assert.rejects(view.setWanted('h2', 'cordoned', 'ada'), isUnknown);
  });

  test('says of a node that it is no host', async () => {
    await opened.db
      .insertInto('cluster_nodes')
      .values([node('b')])
      .execute();
    await view.status();
    const message = 'b is a node, and workers run on it only while it serves: see penstock cluster hosts';
    assert.throws(() => view.host('b'), { code: 'not_found', message });
  });

  test('knows nothing of a host that was removed, nor does the next home', async () => {
    await states.linked({ name: 'h1', zone: 'b', cpuMilli: 4000, memoryMiB: 8192 });
    await view.forget('h1');
    assert.deepEqual(view.hosts(), []);
    await states.open();
    assert.deepEqual(states.list(), []);
  });

  test('neither cordons nor drains the machine of the node that serves', async () => {
    hosts.set('a', { isHome: true });
    const isWrongState = (error: unknown): boolean => error instanceof PlatformError && error.code === 'wrong_state';
    await assert.rejects(view.setWanted('a', 'draining', 'ada'), isWrongState);
  });

  test('knows where each worker runs: on a host, on the machine of the home, or nowhere', () => {
    hosts.set('a', { isHome: true, zone: 'home' });
    hosts.lost = [{ worker: 'd9', endpoint: 'digits', reason: 'no room', sinceMs: 0, cpuMilli: 1, memoryMiB: 1, accelerator: null }];
    const placeOf = (id: string, host?: WorkerView['host']): string | undefined =>
      view.placeOf({ spec: { id }, ...(host === undefined ? {} : { host }) } as WorkerView)?.name;
    assert.equal(placeOf('d0', { name: 'h1', zone: 'b' }), 'h1');
    assert.equal(placeOf('d1'), 'a');
    assert.equal(placeOf('d9'), undefined);
  });

  test('names the workers that cannot leave a host', () => {
    hosts.set('h1');
    hosts.start('d0', 'h1');
    const size = { cpuMilli: 2000, memoryMiB: 4096, accelerator: null };
    pending = ['d0', 'other'].map((worker) => ({ worker, endpoint: 'digits', reason: 'no room', sinceMs: 0, ...size }));
    assert.deepEqual(
      view.host('h1').blocked.map(({ worker }) => worker),
      ['d0'],
    );
  });
});
