import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { instanceRequest, MemoryHosts } from '../../test/host-fixture.ts';
import { openPglite } from '../../test/pglite.ts';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { openLogs } from '../logs/index.ts';
import { Audit, Decisions, Events } from '../records/index.ts';
import type { OpenDatabase } from '../storage/index.ts';
import { expectedHosts, HostStates } from './host-states.ts';
import type { PlacedSpec } from './hosts-view.ts';
import type { PlacementAlternative } from './placement-decisions.ts';
import { Placements } from './placements.ts';

/** A home with the hosts of a test. */
class Home {
  readonly clock = new VirtualClock(1_000_000);
  readonly hosts = new MemoryHosts();
  readonly states: HostStates;
  readonly placements: Placements;
  readonly decisions: Decisions;

  constructor({ db }: OpenDatabase) {
    const { clock } = this;
    const events = new Events(db, clock);
    this.decisions = new Decisions(db, clock, events);
    this.states = new HostStates({ db, clock, events, audit: new Audit(db, clock) });
    this.placements = new Placements({
      clock,
      log: openLogs(null, 'silent').platform,
      events,
      decisions: this.decisions,
      states: this.states,
      hosts: this.hosts,
    });
  }
}

describe('placement by a home', () => {
  let opened: OpenDatabase;
  let home: Home;
  before(async () => {
    opened = await openPglite();
    const row = { config: '{}', generation: 1, desired: 'InService' as const, created_at: 1, updated_at: 1 };
    await opened.db
      .insertInto('endpoints')
      .values({ name_key: 'digits', name: 'digits', ...row })
      .execute();
  });
  after(async () => opened?.close());
  beforeEach(async () => {
    for (const table of ['cluster_hosts', 'decisions', 'events'] as const) await opened.db.deleteFrom(table).execute();
    home = new Home(opened);
    await home.states.open();
  });

  const events = async (): Promise<string[]> => {
    const rows = await opened.db.selectFrom('events').select(['kind', 'subject']).orderBy('seq').execute();
    return rows.map(({ kind, subject }) => `${kind} ${subject}`);
  };

  test('reports a host once when it joins, is lost and returns', async () => {
    home.hosts.set('h1');
    await home.placements.round();
    await home.placements.round();
    home.hosts.set('h1', { link: 'away' });
    await home.placements.round();
    home.hosts.set('h1', { link: 'lost' });
    await home.placements.round();
    await home.placements.round();
    assert.deepEqual(await expectedHosts(opened.db), [], 'the next home does not wait for it');
    home.hosts.set('h1', { link: 'linked' });
    await home.placements.round();
    assert.deepEqual(await expectedHosts(opened.db), ['h1']);
    assert.deepEqual(await events(), ['host.joined h1', 'host.lost h1', 'host.joined h1']);
  });

  const spec: PlacedSpec = {
    id: 'd0',
    endpoint: 'digits',
    variantName: 'blue',
    model: 'digits/1',
    instanceType: 'local.1',
    ...instanceRequest({ instances: null }),
  };

  test('records where an instance starts, with what else was possible, and nothing of functions', async () => {
    for (const name of ['h1', 'h2', 'h3']) home.hosts.set(name);
    home.hosts.set('full', { cpuMilli: 0 });
    home.placements.placed({ worker: spec, host: 'h1', cause: null, from: null, reason: 'instances are spread' });
    home.placements.placed({ worker: { ...spec, kind: 'function' }, host: 'h1', cause: null, from: null, reason: 'functions are packed' });
    await home.placements.round();
    const [made, ...others] = await home.decisions.list({ kind: 'placement', limit: 10 });
    assert.deepEqual(others, []);
    assert.equal(made?.explanation, 'd0 starts on h1: instances are spread');
    assert.deepEqual(made?.chosen, { host: 'h1', zone: 'a' });
    const size = { cpuMilli: 2000, memoryMiB: 4096, accelerator: null };
    assert.deepEqual(made?.inputs, { worker: 'd0', ...size, from: null, hosts: { ready: 4 } });
    assert.deepEqual(
      ((made?.alternatives ?? []) as PlacementAlternative[]).map(({ host }) => host),
      ['h2', 'h3'],
    );
  });

  test('records a start that is tried again once, until its worker was ready, or its reason changes', async () => {
    home.hosts.set('h1');
    const start = async (reason: string): Promise<void> => {
      home.placements.placed({ worker: spec, host: 'h1', cause: null, from: null, reason });
      await home.placements.round();
    };
    await start('h1 has room');
    home.hosts.start('d0', 'h1', { state: 'starting' });
    await start('h1 has room');
    await start('h1 has more room');
    home.hosts.start('d0', 'h1');
    await home.placements.round();
    await start('h1 has more room');
    const made = await home.decisions.list({ kind: 'placement', limit: 10 });
    assert.deepEqual(
      made.map(({ explanation }) => explanation.replace('d0 starts on h1: ', '')),
      ['h1 has more room', 'h1 has more room', 'h1 has room'],
    );
  });

  test('records where a task of a job starts, as a decision of no endpoint', async () => {
    home.hosts.set('h1', { zone: 'b' });
    const size = { cpuMilli: 2000, memoryMiB: 4096 };
    home.placements.taskPlaced({ id: 'digits-7/1/5', name: 'attempt 1 of digits-7', host: 'h1', reason: 'h1 has room', ...size });
    await home.placements.round();
    const [made, ...others] = await home.decisions.list({ kind: 'placement', limit: 10 });
    assert.deepEqual([others, made?.endpoint, made?.variant], [[], null, '']);
    assert.equal(made?.explanation, 'attempt 1 of digits-7 starts on h1: h1 has room');
    const inputs = { worker: 'attempt 1 of digits-7', task: 'digits-7/1/5', ...size, accelerator: null, from: null, hosts: { ready: 1 } };
    assert.deepEqual([made?.inputs, made?.chosen], [inputs, { host: 'h1', zone: 'b' }]);
  });

  test('records a move as a decision when it begins, and as an event when the worker is ready on its new host alone', async () => {
    for (const name of ['h1', 'h2']) home.hosts.set(name);
    home.hosts.start('d0', 'h1');
    await home.placements.round();
    await home.states.set('h1', 'draining', 'ada');
    home.placements.placed({ worker: spec, host: 'h2', cause: 'host-draining', from: 'h1', reason: 'instances are spread' });
    home.hosts.start('d0', 'h2', { state: 'starting' });
    await home.placements.round();
    assert.deepEqual(
      home.placements.moving.map(({ worker, from, to }) => [worker, from, to]),
      [['d0', 'h1', 'h2']],
    );
    home.hosts.start('d0', 'h2');
    await home.placements.round();
    assert.equal(home.placements.moving.length, 1, 'the old one runs still');
    home.hosts.stop('d0', 'h1');
    await home.placements.round();
    await home.placements.round();
    assert.deepEqual(home.placements.moving, []);
    const joined = ['host.joined h1', 'host.joined h2', 'host.draining h1'];
    assert.deepEqual(await events(), [...joined, 'decision.made digits', 'worker.moved digits', 'host.drained h1']);
    const [made] = await home.decisions.list({ kind: 'placement', limit: 10 });
    assert.equal(made?.explanation, 'd0 moves from h1 to h2, because h1 drains: instances are spread');
    assert.deepEqual(((made?.alternatives ?? []) as PlacementAlternative[])[0], { host: 'h1', text: 'it drains' });
  });

  test('a move to the machine of the home ends like any other, and that machine is no host that joins', async () => {
    home.hosts.set('h1');
    home.hosts.set('a', { isHome: true });
    home.hosts.start('d0', 'h1');
    home.placements.placed({ worker: spec, host: 'a', cause: 'host-draining', from: 'h1', reason: 'instances are spread' });
    home.hosts.start('d0', 'a');
    await home.placements.round();
    home.hosts.stop('d0', 'h1');
    await home.placements.round();
    assert.deepEqual((await events()).sort(), ['decision.made digits', 'host.joined h1', 'worker.moved digits']);
  });

  test('a move that was given up ends without an event', async () => {
    for (const name of ['h1', 'h2']) home.hosts.set(name);
    home.hosts.start('d0', 'h1');
    home.placements.placed({ worker: spec, host: 'h2', cause: 'host-draining', from: 'h1', reason: 'instances are spread' });
    await home.placements.round();
    assert.deepEqual(home.placements.moving, []);
    assert.deepEqual(
      (await events()).filter((line) => line.startsWith('worker')),
      [],
    );
  });

  test('the state that the operator wants is known to the next home', async () => {
    home.hosts.set('h1');
    await home.placements.round();
    await home.states.set('h1', 'draining', 'ada');
    const next = new Home(opened);
    assert.equal(next.states.wantedOf('h1'), 'ready');
    await next.states.open();
    assert.equal(next.states.wantedOf('h1'), 'draining');
  });

  test('a host that does not link to the next home is lost after a while', async () => {
    home.hosts.set('h1');
    await home.placements.round();
    const next = new Home(opened);
    await next.states.open();
    await next.placements.round();
    assert.deepEqual(await events(), ['host.joined h1']);
    next.clock.advance(15_000);
    await next.placements.round();
    await next.placements.round();
    assert.deepEqual(await events(), ['host.joined h1', 'host.lost h1']);
  });

  test('reports once why a worker has no host', async () => {
    const reason = '0 placed, one more is not: no ready host has 2 vCPU and 4 GiB free: h1 has 0 of 8 vCPU and 0 of 16 GiB';
    home.hosts.set('h1');
    home.placements.rejected(spec, reason);
    await home.placements.round();
    home.placements.rejected(spec, reason);
    await home.placements.round();
    assert.deepEqual(
      home.placements.pending.map(({ worker, reason: why }) => [worker, why]),
      [['d0', reason]],
    );
    home.placements.placed({ worker: spec, host: 'h1', cause: null, from: null, reason: 'instances are spread' });
    assert.deepEqual(home.placements.pending, []);
    await home.placements.round();
    home.hosts.lost = [{ worker: 'd0', endpoint: 'digits', reason, sinceMs: 0, cpuMilli: 2000, memoryMiB: 4096, accelerator: null }];
    await home.placements.round();
    await home.placements.round();
    const reported = (await events()).filter((line) => line.startsWith('placement'));
    assert.deepEqual(reported, ['placement.pending digits', 'placement.pending digits']);
  });

  test('forgets a start without a host that is not tried again', async () => {
    home.placements.rejected(spec, 'no host is known');
    home.clock.advance(6000);
    await home.placements.round();
    assert.deepEqual(home.placements.pending, []);
  });

  test('counts the hosts wanted: what runs, what waits, and one to spare per zone', async () => {
    const wanted = (): number | null => home.placements.wanted?.hosts ?? null;
    await home.placements.round();
    assert.equal(wanted(), null);
    home.hosts.set('h1');
    home.hosts.set('h2', { zone: 'b' });
    home.hosts.start('d0', 'h1');
    await home.placements.round();
    assert.equal(wanted(), 3);
    home.hosts.set('h2', { link: 'lost' });
    for (const afterMs of [0, 599_000]) {
      home.clock.advance(afterMs);
      await home.placements.round();
      assert.equal(wanted(), 3, 'it may return');
    }
    home.clock.advance(1000);
    await home.placements.round();
    assert.equal(wanted(), 2, 'its zone is given up');
    home.hosts.set('h2', { link: 'linked' });
    await home.placements.round();
    assert.equal(wanted(), 3);
  });

  test('counts tasks that wait for a host or run on one, until they end', async () => {
    const wanted = (): number | null => home.placements.wanted?.hosts ?? null;
    home.hosts.set('h1');
    home.hosts.start('d0', 'h1');
    const [before, during] = [2, 3];
    await home.placements.round();
    assert.equal(wanted(), before);
    home.hosts.wantedTasks = [{ cpuMilli: 7000, memoryMiB: 1024, accelerator: null }]; // d0 leaves 6 of 8 vCPU
    await home.placements.round();
    assert.equal(wanted(), during);
    home.hosts.wantedTasks = [];
    await home.placements.round();
    assert.equal(wanted(), before);
  });

  test('counts no hosts wanted before the hosts of an earlier home had time to link', async () => {
    home.hosts.set('h1');
    home.hosts.set('h2', { zone: 'b' });
    home.hosts.start('d0', 'h1');
    await home.placements.round();
    const next = new Home(opened);
    await next.states.open();
    next.hosts.set('h1');
    await next.placements.round();
    const wanted = (): number | null => next.placements.wanted?.hosts ?? null;
    assert.equal(wanted(), null);
    next.hosts.start('d0', 'h1');
    next.clock.advance(15_000);
    await next.placements.round();
    assert.equal(wanted(), 3, 'h2 is lost for a short time only');
  });
});

describe('the wanted state of a host', () => {
  let opened: OpenDatabase;
  before(async () => {
    opened = await openPglite();
  });
  after(async () => opened?.close());

  test('is audited with each change, and rejected for an unknown host', async () => {
    const { states } = new Home(opened);
    await states.open();
    const isUnknown = (error: unknown): boolean =>
      error instanceof PlatformError && error.code === 'not_found' && error.message === 'there is no host h9: the hosts are h1';
    await states.linked({ name: 'h1', zone: 'a', cpuMilli: 1000, memoryMiB: 1024 });
    await assert.rejects(states.set('h9', 'draining', 'ada'), isUnknown);
    assert.equal(states.wantedOf('h1'), 'ready');
    for (const wanted of ['cordoned', 'cordoned', 'draining', 'ready'] as const) await states.set('h1', wanted, 'ada');
    const audited = await opened.db.selectFrom('audit').select(['action', 'target', 'who']).orderBy('number').execute();
    assert.deepEqual(
      audited.map(({ action, target, who }) => `${who} ${action} ${target}`),
      ['ada CordonHost h1', 'ada DrainHost h1', 'ada UncordonHost h1'],
    );
  });
});
