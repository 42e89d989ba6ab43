import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { MemoryHosts } from '../../test/host-fixture.ts';
import { openPglite } from '../../test/pglite.ts';
import { VirtualClock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { openLogs } from '../logs/index.ts';
import { Audit, Decisions, Events } from '../records/index.ts';
import type { OpenDatabase } from '../storage/index.ts';
import { HostStates } from './host-states.ts';
import { Placements } from './placements.ts';

/** A home with the hosts of a test. */
class Home {
  readonly clock = new VirtualClock(1_000_000);
  readonly hosts = new MemoryHosts();
  readonly states: HostStates;
  readonly placements: Placements;
  readonly decisions: Decisions;
  moving: string[] = [];
  idle = new Set<string>();

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
      moveAway: (ids) => {
        this.moving = [...ids].sort();
      },
      idleWorkers: () => this.idle,
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
  const decided = async (): Promise<(readonly [string, unknown, string])[]> => {
    const made = await home.decisions.list({ kind: 'placement', limit: 10 });
    return made.map(({ trigger, chosen, explanation }) => [trigger, chosen, explanation] as const);
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
    home.hosts.set('h1', { link: 'linked' });
    await home.placements.round();
    assert.deepEqual(await events(), ['host.joined h1', 'host.lost h1', 'host.joined h1']);
  });

  test('drains a host: one instance at a time, each move with a decision and an event', async () => {
    for (const name of ['h1', 'h2']) home.hosts.set(name);
    home.hosts.start('d0', 'h1');
    home.hosts.start('d1', 'h1');
    await home.placements.round();
    assert.deepEqual(home.moving, []);
    await home.states.set('h1', 'draining', 'ada');
    await home.placements.round();
    assert.deepEqual(home.moving, ['d0']);
    home.hosts.start('d2', 'h2', { state: 'starting' });
    await home.placements.round();
    assert.deepEqual(home.moving, ['d0'], 'the second waits for the first');
    home.hosts.start('d2', 'h2');
    home.hosts.stop('d0');
    await home.placements.round();
    assert.deepEqual(home.moving, ['d1']);
    home.hosts.start('d3', 'h2');
    home.hosts.stop('d1');
    await home.placements.round();
    await home.placements.round();
    assert.deepEqual(home.moving, []);
    const order = [
      'host.joined h1',
      'host.joined h2',
      'host.draining h1',
      'decision.made digits',
      'worker.moved digits',
      'decision.made digits',
    ];
    assert.deepEqual(await events(), [...order, 'worker.moved digits', 'host.drained h1']);
    const [second] = await decided();
    assert.equal(second?.[0], 'host-draining');
    assert.deepEqual(second?.[1], { host: 'h2', zone: 'a' });
    assert.match(second?.[2] ?? '', /^d1 moves from h1 to h2, because h1 drains: instances are spread/);
  });

  test('stops draining when the host is uncordoned', async () => {
    for (const name of ['h1', 'h2']) home.hosts.set(name);
    home.hosts.start('d0', 'h1');
    await home.placements.round();
    await home.states.set('h1', 'draining', 'ada');
    await home.placements.round();
    await home.states.set('h1', 'ready', 'ada');
    await home.placements.round();
    assert.deepEqual(home.moving, []);
    assert.deepEqual(home.placements.moving, []);
  });

  test('a drain continues under the next home', async () => {
    home.hosts.set('h1');
    await home.placements.round();
    await home.states.set('h1', 'draining', 'ada');
    const next = new Home(opened);
    await next.states.open();
    for (const name of ['h1', 'h2']) next.hosts.set(name);
    next.hosts.start('d0', 'h1');
    await next.placements.round();
    assert.deepEqual(next.moving, ['d0']);
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
    home.hosts.set('h1');
    home.hosts.start('d0', 'h1');
    await home.placements.round();
    await home.states.set('h1', 'draining', 'ada');
    await home.placements.round();
    await home.placements.round();
    assert.deepEqual(home.moving, []);
    const [pending] = home.placements.pending;
    assert.equal(pending?.worker, 'd0');
    assert.equal(pending?.reason, '1 placed, one more is not: no ready host has 2 vCPU and 4 GiB free; 1 host known, 1 draining');
    assert.equal((await events()).filter((line) => line === 'placement.pending digits').length, 1);
    home.hosts.set('h2');
    await home.placements.round();
    assert.deepEqual(home.placements.pending, []);
    assert.deepEqual(home.moving, ['d0']);
  });

  test('records where an instance starts, and that a start found no host', async () => {
    home.hosts.set('h1');
    home.hosts.set('h2');
    home.hosts.start('d0', 'h1');
    const worker = home.hosts.list().flatMap(({ workers }) => workers)[0];
    assert(worker !== undefined);
    await home.placements.rejected(worker, 'no ready host has 2 vCPU and 4 GiB free; 1 host known');
    assert.equal(home.placements.pending.length, 1);
    await home.placements.placed(worker, { fits: true, host: 'h1', zone: 'a', fitting: 2, reason: 'instances are spread' });
    assert.equal(home.placements.pending.length, 0);
    assert.deepEqual(await decided(), [['start', { host: 'h1', zone: 'a' }, 'd0 starts on h1: instances are spread']]);
    await home.placements.placed({ ...worker, kind: 'function' }, { fits: true, host: 'h1', zone: 'a', fitting: 2, reason: 'packed' });
    assert.equal((await decided()).length, 1, 'functions are not recorded');
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
