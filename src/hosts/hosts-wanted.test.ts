import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { WorkerSize } from './host.ts';
import { type CountedHost, commonSize, countHostsWanted, hostsWanted, type NeededRoom } from './hosts-wanted.ts';

const size = { cpuMilli: 8000, memoryMiB: 16_384 };
const worker = (cpuMilli: number, memoryMiB: number): WorkerSize => ({ cpuMilli, memoryMiB, accelerator: null });
const task = (cpuMilli: number, memoryMiB: number): NeededRoom => ({ ...worker(cpuMilli, memoryMiB), isTask: true });

describe('the number of hosts wanted', () => {
  for (const { when, demand, zones = 3, hosts, reason } of [
    { when: 'nothing runs', demand: [], hosts: 0, reason: /^no worker or task needs a host of 8 vCPU and 16384 MiB$/ },
    {
      when: 'one small worker runs',
      demand: [worker(500, 512)],
      hosts: 4,
      reason: /^1 worker fills 1 host of 8 vCPU and 16384 MiB, and each of 3 zones has one to spare$/,
    },
    { when: 'memory is the scarcer one', demand: Array.from({ length: 5 }, () => worker(100, 8192)), hosts: 6, reason: /fill 3 hosts/ },
    {
      when: 'small ones fit beside large ones',
      demand: [worker(2000, 0), worker(6000, 0), worker(2000, 0), worker(6000, 0)],
      zones: 1,
      hosts: 3,
      reason: /fill 2/,
    },
    { when: 'a worker is too large for any host', demand: [worker(9000, 512)], hosts: 0, reason: /; 1 worker fits into no such host$/ },
    {
      when: 'tasks run beside workers',
      demand: [worker(4000, 512), task(4000, 512), task(8000, 512), task(9000, 512)],
      zones: 1,
      hosts: 3,
      reason: /^1 worker and 2 tasks fill 2 hosts of .*, and one is to spare; 1 task fits into no such host$/,
    },
    {
      when: 'tasks run alone, which wait for another host if theirs is lost',
      demand: [task(4000, 512)],
      hosts: 1,
      reason: /^1 task fills 1 host of 8 vCPU and 16384 MiB$/,
    },
  ]) {
    test(`covers the demand and one host to spare per zone: ${when}`, () => {
      const wanted = hostsWanted(demand, size, zones);
      assert.equal(wanted.hosts, hosts);
      assert.match(wanted.reason, reason);
    });
  }

  test('is at least what CPU and memory together need, and at most one host per worker', () => {
    const sizes = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 8000 }), fc.integer({ min: 0, max: 16_384 })).map(([cpu, memory]) => worker(cpu, memory)),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(sizes, (demand) => {
        const { packed } = hostsWanted(demand, size, 1);
        const sum = (of: (each: WorkerSize) => number): number => demand.reduce((total, each) => total + of(each), 0);
        const least = Math.max(sum(({ cpuMilli }) => cpuMilli) / 8000, sum(({ memoryMiB }) => memoryMiB) / 16_384);
        assert(packed >= least && packed <= demand.length);
        // Two hosts that are both at most half full would have been one: first fit never leaves two of them.
        assert(packed <= 2 * (sum(({ cpuMilli }) => cpuMilli) / 8000 + sum(({ memoryMiB }) => memoryMiB) / 16_384) + 1);
      }),
    );
  });

  test('is for the size that most hosts have', () => {
    const large = { cpuMilli: 16_000, memoryMiB: 32_768 };
    assert.deepEqual(commonSize([size, large, size]), size);
    assert.deepEqual(commonSize([size, large]), large);
    assert.equal(commonSize([]), null);
  });
});

describe('what is counted', () => {
  const small = worker(4000, 1024);
  const on = (...ids: string[]) => ids.map((id) => ({ id, isStopgap: false, ...small }));
  const host = (zone: string, changes: Partial<CountedHost> = {}): CountedHost => ({
    ...size,
    zone,
    isHome: false,
    lostMs: null,
    workers: [],
    ...changes,
  });
  const count = (hosts: readonly CountedHost[], waiting: readonly string[] = [], tasks: readonly WorkerSize[] = []): number | undefined =>
    countHostsWanted({ hosts, waiting: waiting.map((id) => ({ worker: id, ...small })), tasks })?.hosts;
  const before = [host('a', { workers: on('w1', 'w2') }), host('b', { workers: on('w3') })];

  test('is each worker once, while it moves and while it waits to leave its host', () => {
    assert.equal(count(before), 4);
    assert.equal(count([host('a', { workers: on('w1', 'w2') }), host('b', { workers: on('w3', 'w1', 'w2') })], ['w1', 'w2']), 4);
  });

  test('is known before the first host, if the size of hosts is', () => {
    const waiting = ['w1', 'w2', 'w3'].map((id) => ({ worker: id, ...small }));
    assert.equal(countHostsWanted({ hosts: [], waiting, tasks: [] }), null);
    assert.equal(countHostsWanted({ hosts: [], waiting, tasks: [] }, size)?.hosts, 3, 'two that are full, and one to spare');
    assert.equal(countHostsWanted({ hosts: [], waiting: [], tasks: [small] }, size)?.hosts, 1);
    assert.equal(countHostsWanted({ hosts: [], waiting: [], tasks: [] }, size)?.hosts, 0);
    const larger = { cpuMilli: 2 * size.cpuMilli, memoryMiB: 2 * size.memoryMiB };
    assert.equal(
      countHostsWanted({ hosts: before, waiting: [], tasks: [] }, larger)?.hosts,
      3,
      'the size of the setting counts, not that of most hosts',
    );
  });

  test('is each task that waits for a host or runs on one, in the room that workers leave', () => {
    assert.equal(count(before, [], [small]), 4, 'it fits beside a worker');
    assert.equal(count(before, [], [small, small]), 5);
  });

  test('is a lost host, for as long as it may return, with what ran on it', () => {
    const lost = { lostMs: 0 };
    assert.equal(count([host('a', { workers: on('w1', 'w2'), ...lost }), host('b', { workers: on('w3') })]), 4);
    assert.equal(count([host('a', lost), host('b', { workers: on('w3', 'w1') })], ['w2']), 4);
    assert.equal(count([host('a', { lostMs: 599_999 }), host('b', { workers: on('w3', 'w1') })], ['w2']), 4);
    assert.equal(count([host('a', { lostMs: 600_000 }), host('b', { workers: on('w3', 'w1') })], ['w2']), 3);
  });

  test('is not the machine of the home, but what it runs for lack of hosts', () => {
    const home = host('home', { isHome: true, workers: [...on('w1', 'w2'), { id: 'w3', isStopgap: true, ...small }] });
    assert.equal(count([home]), undefined);
    assert.equal(count([home, host('a')]), 2);
  });

  test('is the same number in every step of a loss or a move', () => {
    const ids = fc.uniqueArray(fc.constantFrom('w1', 'w2', 'w3', 'w4', 'w5', 'w6'), { minLength: 1 });
    const places = fc.constantFrom('old', 'new', 'both', 'waiting', 'old and waiting');
    fc.assert(
      fc.property(ids, fc.array(places, { minLength: 6, maxLength: 6 }), fc.boolean(), (all, where, isLost) => {
        const of = (...some: string[]): string[] => all.filter((_, i) => some.includes(where[i] ?? ''));
        const old = host('a', { workers: on(...of('old', 'both', 'old and waiting')), lostMs: isLost ? 1000 : null });
        const step = [old, host('b', { workers: on(...of('new', 'both')) })];
        assert.equal(count(step, of('waiting', 'old and waiting')), count([host('a', { workers: on(...all) }), host('b')]));
      }),
    );
  });
});
