import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { functionRequest, hostFixture, instanceRequest, placedWorker } from '../../test/host-fixture.ts';
import { chooseFrom, chooseHost, type HostChoice } from './choose-host.ts';
import type { HostFacts, PlacedWorker, PlacementRequest } from './host.ts';
import { HostPool } from './host-pool.ts';

const host = hostFixture;
const instance = instanceRequest;
const environment = functionRequest;

let workers = 0;
const on = (name: string, request: PlacementRequest = instance()): PlacedWorker => placedWorker(`w${workers++}`, name, request);

/** The hosts of workers that start one after the other; null if one does not fit. */
function placeAll(hosts: readonly HostFacts[], requests: readonly PlacementRequest[]): (string | null)[] {
  const pool = new HostPool(hosts);
  return requests.map((request, i) => {
    const choice = chooseFrom(pool, request);
    if (!choice.fits) return null;
    pool.place({ ...request, id: `${i}`, host: choice.host });
    return choice.host;
  });
}

function hostOf(choice: HostChoice): string | null {
  return choice.fits ? choice.host : null;
}

function refusalOf(choice: HostChoice): string {
  assert(!choice.fits);
  return choice.reason;
}

describe('the host of an instance', () => {
  const three = Array.from({ length: 3 }, () => instance({ instances: 3 }));

  test('is one with room that is ready', () => {
    const hosts = [
      host('cordoned', { state: 'cordoned' }),
      host('draining', { state: 'draining' }),
      host('away', { state: 'away' }),
      host('lost', { state: 'lost' }),
      host('small', { cpuMilli: 1000 }),
      host('full'),
      host('right'),
    ];
    const full = Array.from({ length: 4 }, () => on('full', instance({ variant: 'other/a' })));
    assert.equal(hostOf(chooseHost(hosts, instance(), full)), 'right');
  });

  test('is in another zone than the variant’s other instances', () => {
    const hosts = [host('a1'), host('a2'), host('b1', { zone: 'b' }), host('c1', { zone: 'c' })];
    assert.deepEqual(placeAll(hosts, three), ['a1', 'b1', 'c1']);
  });

  test('is another host, if there is only one zone', () => {
    assert.deepEqual(placeAll([host('h1'), host('h2')], three), ['h1', 'h2', 'h1']);
  });

  test('is beyond the limits of its zone if nothing else has room, rather than none', () => {
    const hosts = [host('a1'), host('b1', { zone: 'b', cpuMilli: 2000 })];
    assert.deepEqual(placeAll(hosts, [...three, instance({ instances: 4 })]), ['a1', 'b1', 'a1', 'a1']);
  });

  test('is the emptiest one among equals, and the first by name among equally empty ones', () => {
    const busy = [on('h1', environment({ variant: 'other/a' }))];
    assert.equal(hostOf(chooseHost([host('h3'), host('h2'), host('h1')], instance(), busy)), 'h2');
  });

  test('has the artifact or a warm worker rather than more room, if the spread is the same', () => {
    const hosts = [host('h1'), host('h2', { warmWorkers: 1 }), host('h3', { artifacts: new Set(['f00d']), cpuMilli: 2000 })];
    assert.equal(hostOf(chooseHost(hosts, instance(), [])), 'h3');
    assert.equal(hostOf(chooseHost(hosts.slice(0, 2), instance(), [])), 'h2');
  });

  test('is one of last resort only if no other has room, whatever the spread and the artifact', () => {
    const hosts = [host('home', { zone: 'home', isLastResort: true, artifacts: new Set(['f00d']), warmWorkers: 1 }), host('h1')];
    assert.deepEqual(placeAll(hosts, [...three, ...three]), ['h1', 'h1', 'h1', 'h1', 'home', 'home']);
    const choice = chooseHost([hosts[0] as HostFacts], environment(), []);
    assert(choice.fits && /no other host has room/.test(choice.reason), 'the reason says so');
  });

  test('does not depend on instances of hosts that drain, because they will be gone', () => {
    const hosts = [host('a1', { state: 'draining' }), host('a2'), host('b1', { zone: 'b' })];
    const request = instance({ instances: 2 });
    assert.equal(hostOf(chooseHost(hosts, request, [on('a1', request), on('b1', request)])), 'a2');
  });

  test('has a free device of its type', () => {
    const request = instance({ accelerator: 'local.gpu' });
    const hosts = [host('plain'), host('gpu', { accelerators: { 'local.gpu': 1 } })];
    assert.equal(hostOf(chooseHost(hosts, request, [])), 'gpu');
    assert.match(refusalOf(chooseHost(hosts, request, [on('gpu', request)])), /no ready host has .* and a device for local\.gpu free/);
  });
});

describe('the host of a function', () => {
  test('is the fullest one with room, by the scarcer of CPU and memory', () => {
    const used = [on('h2', environment({ memoryMiB: 8192 })), on('h3', environment({ cpuMilli: 6000 }))];
    assert.equal(hostOf(chooseHost([host('h1'), host('h2'), host('h3')], environment(), used)), 'h3');
  });

  test('leaves hosts empty', () => {
    const requests = Array.from({ length: 17 }, () => environment());
    const hosts = ['h1', 'h2', 'h3'].map((name) => host(name));
    assert.deepEqual(placeAll(hosts, requests), [...Array.from({ length: 16 }, () => 'h1'), 'h2']);
  });

  test('has the artifact, or a warm worker, rather than little room', () => {
    const hosts = [host('h1'), host('h2', { warmWorkers: 2 }), host('h3', { artifacts: new Set(['f00d']) })];
    const used = [on('h1', environment())];
    assert.equal(hostOf(chooseHost(hosts, environment(), used)), 'h3');
    assert.equal(hostOf(chooseHost(hosts.slice(0, 2), environment(), used)), 'h2');
  });
});

describe('the reason of a choice', () => {
  test('says what decided', () => {
    const hosts = [host('a1'), host('b1', { zone: 'b', artifacts: new Set(['f00d']) })];
    const choice = chooseHost(hosts, instance({ instances: 2 }), [on('a1', instance({ instances: 2 }))]);
    assert.deepEqual(choice, {
      fits: true,
      host: 'b1',
      zone: 'b',
      fitting: 2,
      reason:
        'b1 has 8 of 8 vCPU and 16 of 16 GiB free, and the other instance is not in its zone b; it has the model already; there is room on a1, too',
    });
  });

  test('counts the other instances in the zone and on the host, and names the hosts with room', () => {
    const hosts = [host('a1'), host('a2'), host('a3'), host('b1', { zone: 'b', cpuMilli: 1000 })];
    const request = instance({ instances: 4 });
    const choice = chooseHost(hosts, request, [on('a1', request), on('a2', request), on('a2', request)]);
    assert.equal(
      choice.reason,
      'a3 has 8 of 8 vCPU and 16 of 16 GiB free, and its zone a has 3 of the 3 other instances, none of them on this host; there is room on a1 and a2, too',
    );
    const another = chooseHost(hosts.slice(0, 2), request, [on('a1', request)]);
    assert.match(another.reason, /free, and its zone a has the other instance, on another host; there is room on a1, too$/);
    const same = chooseHost(hosts.slice(0, 1), request, [on('a1', request)]);
    assert.match(same.reason, /free, and it has the other instance; /);
    const third = chooseHost(hosts.slice(0, 1), request, [on('a1', request), on('a1', request)]);
    assert.match(third.reason, /free, and its zone a has 2 of the 2 other instances, 2 of them on this host; /);
  });

  test('of a function says that hosts are filled one after the other', () => {
    const choice = chooseHost([host('h1', { memoryMiB: 1000 }), host('h2')], environment(), []);
    assert.equal(
      choice.reason,
      'h2 has 8 of 8 vCPU and 16 of 16 GiB free, and hosts are filled one after the other; no other host has room',
    );
  });

  for (const { when, hosts, request = instance(), placed = [], reason } of [
    { when: 'there is no host', hosts: [], reason: '0 of 1 placed: no host is known' },
    {
      when: 'hosts are full or take no workers',
      hosts: [host('h1', { cpuMilli: 4000 }), host('h2', { state: 'cordoned' as const }), host('h3', { state: 'lost' as const })],
      request: instance({ instances: 3, cpuMilli: 4000, memoryMiB: 8192 }),
      placed: [on('h1', instance({ cpuMilli: 4000 })), on('h2')],
      reason: '2 of 3 placed: no ready host has 4 vCPU and 8 GiB free: h1 has 0 of 4 vCPU and 12 of 16 GiB, h2 is cordoned, h3 is lost',
    },
    {
      when: 'no host is large enough',
      hosts: [host('h1')],
      request: environment({ cpuMilli: 250, memoryMiB: 100_000 }),
      reason: 'no host is as large as 0.25 vCPU and 100000 MiB: h1 has 8 vCPU and 16 GiB',
    },
  ]) {
    test(`says why there is none: ${when}`, () => {
      assert.equal(refusalOf(chooseHost(hosts, request, placed)), reason);
    });
  }
});

const anyHosts = fc
  .array(
    fc.record({
      zone: fc.constantFrom('a', 'b', 'c'),
      state: fc.constantFrom('ready', 'ready', 'ready', 'cordoned', 'draining', 'away', 'lost'),
      cpuMilli: fc.integer({ min: 0, max: 16 }).map((cpus) => cpus * 500),
      memoryMiB: fc.integer({ min: 0, max: 16 }).map((units) => units * 1024),
      accelerators: fc.constantFrom({}, { gpu: 2 }),
      artifacts: fc.constantFrom(new Set<string>(), new Set(['m1'])),
      warmWorkers: fc.nat({ max: 1 }),
      isOnNotice: fc.boolean(),
    }),
    { maxLength: 8 },
  )
  .map((all) => all.map((each, i) => host(`h${i}`, each)));

const anyRequests = fc.array(
  fc.record({
    variant: fc.constantFrom('e1/a', 'e2/a', 'e2/b'),
    kind: fc.constantFrom('instance', 'function'),
    artifact: fc.constantFrom('m1', 'm2'),
    instances: fc.integer({ min: 1, max: 6 }),
    cpuMilli: fc.integer({ min: 0, max: 4 }).map((cpus) => cpus * 500),
    memoryMiB: fc.integer({ min: 0, max: 4 }).map((units) => units * 1024),
    accelerator: fc.constantFrom(null, null, 'gpu'),
  }),
  { maxLength: 24 },
);

/** Sums over the workers of a host. */
function used(pool: HostPool, name: string): { cpuMilli: number; memoryMiB: number; gpus: number } {
  const its = [...pool.workers()].filter((worker) => worker.host === name);
  const sum = (of: (worker: PlacedWorker) => number): number => its.reduce((total, worker) => total + of(worker), 0);
  return {
    cpuMilli: sum(({ cpuMilli }) => cpuMilli),
    memoryMiB: sum(({ memoryMiB }) => memoryMiB),
    gpus: sum(({ accelerator }) => Number(accelerator !== null)),
  };
}

function checkCapacity(pool: HostPool, hosts: readonly HostFacts[]): void {
  for (const facts of hosts) {
    const { cpuMilli, memoryMiB, gpus } = used(pool, facts.name);
    assert(cpuMilli <= facts.cpuMilli && memoryMiB <= facts.memoryMiB && gpus <= (facts.accelerators['gpu'] ?? 0));
  }
}

/** Whether a host can take the worker, decided without the pool's own sums. */
function canTake(pool: HostPool, facts: HostFacts, request: PlacementRequest): boolean {
  const { cpuMilli, memoryMiB, gpus } = used(pool, facts.name);
  if (facts.state !== 'ready') return false;
  if (request.accelerator !== null && gpus >= (facts.accelerators['gpu'] ?? 0)) return false;
  return cpuMilli + request.cpuMilli <= facts.cpuMilli && memoryMiB + request.memoryMiB <= facts.memoryMiB;
}

function isWithinSpread(pool: HostPool, hosts: readonly HostFacts[], facts: HostFacts, request: PlacementRequest): boolean {
  const stays = new Map(hosts.filter(({ state }) => state !== 'draining' && state !== 'lost').map((each) => [each.name, each]));
  const same = [...pool.workers()].filter(({ variant, kind }) => variant === request.variant && kind === 'instance');
  const inZone = same.filter((worker) => stays.get(worker.host)?.zone === facts.zone).length;
  const onHost = same.filter((worker) => worker.host === facts.name).length;
  const usable = hosts.filter(
    (each) =>
      each.state === 'ready' &&
      each.cpuMilli >= request.cpuMilli &&
      each.memoryMiB >= request.memoryMiB &&
      (request.accelerator === null || 'gpu' in each.accelerators),
  );
  const zones = new Set(usable.map(({ zone }) => zone)).size;
  const wanted = request.instances ?? same.length + 1;
  return inZone < Math.ceil(wanted / zones) && onHost < Math.ceil(wanted / 2);
}

/** Places what fits, and checks each choice. */
function placeChecked(pool: HostPool, hosts: readonly HostFacts[], requests: readonly (PlacementRequest & { id: string })[]): void {
  for (const request of requests) {
    const able = hosts.filter((facts) => canTake(pool, facts, request));
    const choice = chooseFrom(pool, request);
    assert.equal(choice.fits, able.length > 0, 'a worker waits only if no host has room');
    if (!choice.fits) continue;
    const facts = hosts.find(({ name }) => name === choice.host);
    assert(facts !== undefined && able.includes(facts), 'the host is ready and has room');
    if (request.kind === 'instance' && able.some((each) => isWithinSpread(pool, hosts, each, request))) {
      assert(isWithinSpread(pool, hosts, facts, request), 'the spread is kept while a host within it has room');
    }
    pool.place({ ...request, host: choice.host });
    checkCapacity(pool, hosts);
  }
}

describe('any sequence of choices', () => {
  const withIds = anyRequests.map((all) => all.map((each, i) => ({ ...each, id: `w${i}` })));

  test('exceeds no capacity, chooses only ready hosts, and keeps the spread while it can', () => {
    fc.assert(fc.property(anyHosts, withIds, (hosts, requests) => placeChecked(new HostPool(hosts), hosts, requests)));
  });

  test('does not depend on the order of hosts, nor on the order in which workers were placed', () => {
    fc.assert(
      fc.property(anyHosts, withIds, fc.infiniteStream(fc.nat()), (hosts, requests, keys) => {
        const first = new HostPool(hosts);
        placeChecked(first, hosts, requests);
        const shuffle = <T>(all: Iterable<T>): T[] =>
          [...all]
            .map((each) => ({ each, key: keys.next().value ?? 0 }))
            .sort((a, b) => a.key - b.key)
            .map(({ each }) => each);
        const again = new HostPool(shuffle(hosts), shuffle(first.workers()));
        for (const request of requests) assert.deepEqual(chooseFrom(again, request), chooseFrom(first, request));
      }),
    );
  });

  test('stays within all capacities after a host is lost and its workers are placed again', () => {
    fc.assert(
      fc.property(anyHosts, withIds, fc.nat(), (hosts, requests, lost) => {
        const pool = new HostPool(hosts);
        placeChecked(pool, hosts, requests);
        const remaining = hosts.filter((_, i) => i !== lost % Math.max(1, hosts.length));
        const stays = (worker: PlacedWorker): boolean => remaining.some(({ name }) => name === worker.host);
        const all = [...pool.workers()];
        const after = new HostPool(remaining, all.filter(stays));
        const moving = new Set(all.filter((worker) => !stays(worker)).map(({ id }) => id));
        placeChecked(
          after,
          remaining,
          requests.filter(({ id }) => moving.has(id)),
        );
      }),
    );
  });

  test('counts as before once a worker is removed', () => {
    fc.assert(
      fc.property(anyHosts, withIds, (hosts, requests) => {
        const pool = new HostPool(hosts);
        placeChecked(pool, hosts, requests);
        const ids = Array.from(pool.workers(), ({ id }) => id);
        for (const id of ids) pool.remove(id);
        assert.deepEqual(pool.hosts, new HostPool(hosts).hosts);
      }),
    );
  });
});
