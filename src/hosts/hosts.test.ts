/** A home and its hosts, with real workers and links that break. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { floats, HostsFixture, slowRun, until, viewWhere, workerSpec } from '../../test/hosts-fixture.ts';
import { devicePlaces, type Provider, type WorkerSpec, type WorkerView } from '../providers/index.ts';
import type { WorkerExit } from '../records/index.ts';
import { type ServingLink, WorkerLost } from '../runtime/index.ts';
import { noListener } from './placed-options.ts';
import type { PlacedProvider } from './placed-provider.ts';
import type { NewPlacement } from './placement-decisions.ts';

let fixture: HostsFixture;
beforeEach(() => {
  fixture = new HostsFixture();
});
afterEach(() => fixture.close());

const isReady = (id: string) => (view: WorkerView) => view.spec.id === id && view.state === 'ready';
const pidOf = (provider: Provider, id: string) => provider.list().find(({ spec }) => spec.id === id)?.pid ?? null;

function follow(home: PlacedProvider, placements: NewPlacement[]): void {
  home.follow({ wantedOf: () => 'ready' }, { ...noListener, placed: (each) => placements.push(each) });
}

async function ready(provider: Provider, id: string, changes: Parameters<typeof workerSpec>[1] = {}): Promise<WorkerView> {
  await provider.start(workerSpec('test_affine', { ...changes, id }));
  return viewWhere(provider, isReady(id));
}

async function runs(provider: Provider, id: string): Promise<boolean> {
  return (await (provider.link(id) as ServingLink).run([floats('x', [1, 3], 1)])).outputs.length > 0;
}

test('the next home adopts the workers that it wants without a restart, and stops the others', async () => {
  const first = await fixture.openHome({ epoch: 1 });
  const agent = await fixture.openHost('h1');
  const before = await ready(first, 'e.alltraffic.1.3');
  await ready(first, 'e.alltraffic.1.4', { generation: 2 });
  fixture.home = null;
  fixture.links.get('h1')?.destroy(); // as a killed home
  await until(() => !agent.isLinked, 'the agent has lost its home');
  assert.equal(agent.workers.size, 2);

  const placements: NewPlacement[] = [];
  const second = await fixture.openHome({ epoch: 2, expected: ['h1'], expectedMs: 10_000 });
  follow(second, placements);
  // It gives ids again from 0, and wants it before the agent is linked.
  const view = await ready(second, 'e.alltraffic.1.0');
  assert.deepEqual([view.pid, view.restarts, view.host?.name], [before.pid, 0, 'h1']);
  assert.deepEqual(placements, []);
  assert(await runs(second, 'e.alltraffic.1.0'));
  assert.deepEqual(second.list().length, 1);
  await until(() => agent.workers.size === 1, 'the other worker is stopped', 20_000);
  assert(await runs(second, 'e.alltraffic.1.0'));
});

test('a home of an older epoch has no effect on a host that has seen a newer one', async () => {
  await fixture.openHome({ epoch: 5 });
  const agent = await fixture.openHost('h1');
  const stale = await fixture.openHome({ epoch: 4 });
  fixture.links.get('h1')?.destroy();
  await until(() => stale.linked.host('h1') !== undefined, 'the agent has dialled the older home');
  await until(() => stale.linked.host('h1')?.hasLink === false, 'it has ended the link');
  assert.equal(stale.linked.host('h1')?.isLinked, false);
  assert.equal(agent.isLinked, false);
});

test('a host learns from the home which nodes run, over each link and when that changes', async () => {
  let nodes: readonly string[] = ['a:1'];
  const received: (readonly unknown[])[] = [];
  await fixture.openHome({ nodes: () => nodes });
  const agent = await fixture.openHost('h1', { onNodes: (addresses) => received.push(addresses) });
  await until(() => received.length === 1, 'it knows the first list');
  nodes = ['b:1', 'a:1'];
  await until(() => received.length === 2, 'it knows the second list');
  fixture.links.get('h1')?.destroy();
  await until(() => received.length === 3, 'the next link has sent it again');
  assert.deepEqual(received, [['a:1'], nodes, nodes]);
  assert(agent.isLinked);
});

test('a broken link loses its runs at once, and the worker goes on with the next link', async () => {
  const home = await fixture.openHome();
  await fixture.openHost('h1');
  await home.start(workerSpec('test_slow_loop', { id: 'w' }));
  const { pid } = await viewWhere(home, isReady('w'));
  const link = home.link('w') as ServingLink;
  const run = link.run(slowRun(100_000_000n));
  fixture.links.get('h1')?.destroy();
  await assert.rejects(run, WorkerLost);
  assert.equal(home.link('w'), null);
  await viewWhere(home, isReady('w'));
  assert.equal(pidOf(home, 'w'), pid);
  await assert.rejects(link.run(slowRun(1n)), WorkerLost);
});

test('workers of a lost host start on another one', async () => {
  const placements: NewPlacement[] = [];
  const home = await fixture.openHome();
  follow(home, placements);
  const agent = await fixture.openHost('h1');
  await ready(home, 'w');
  await fixture.openHost('h2');
  await agent.close();
  const view = await viewWhere(home, (each) => isReady('w')(each) && each.host?.name === 'h2');
  assert.equal(view.restarts, 0);
  assert.deepEqual(
    placements.map(({ host, cause, from }) => [host, cause, from]),
    [
      ['h1', null, null],
      ['h2', 'host-lost', 'h1'],
    ],
  );
  assert(await runs(home, 'w'));
});

test('a host that is removed is waited for no longer: its workers start elsewhere, and it is listed no more', async () => {
  const home = await fixture.openHome({ times: { awayMax: 60_000, unclaimedMax: 600 } });
  await fixture.openHost('h1');
  await ready(home, 'w');
  await fixture.openHost('h2');
  fixture.home = null; // no node accepts its certificate
  home.view.forget('h1');
  await viewWhere(home, (each) => isReady('w')(each) && each.host?.name === 'h2');
  assert.deepEqual(
    home.view.list().map(({ name }) => name),
    ['home', 'h2'],
  );
  assert(await runs(home, 'w'));
});

test('a host that stops moves its workers first: each serves until its replacement is ready', async () => {
  const home = await fixture.openHome();
  const agent = await fixture.openHost('h1');
  await ready(home, 'w');
  await fixture.openHost('h2');
  let unready = 0;
  home.onChange(() => {
    if (home.link('w') === null) unready++;
  });
  await agent.drain(20_000);
  assert.equal(home.list()[0]?.host?.name, 'h2');
  assert.equal(unready, 0);
  assert(await runs(home, 'w'));
  await until(() => home.linked.host('h1') === undefined, 'the home has dismissed it');
});

test('without a home for long, workers stop', async () => {
  const home = await fixture.openHome();
  const agent = await fixture.openHost('h1', { keepMs: 300 });
  await ready(home, 'w');
  fixture.home = null;
  fixture.links.get('h1')?.destroy();
  await until(() => agent.workers.size === 0, 'the workers have stopped');
});

test('a killed worker is restarted on its host, and its end is reported with the names of the home', async () => {
  const home = await fixture.openHome();
  await fixture.openHost('h1');
  const { pid } = await ready(home, 'w');
  const exits: (WorkerExit | null)[] = [];
  home.onEnded((_, exit) => exits.push(exit));
  process.kill(pid as number, 'SIGKILL');
  const again = await viewWhere(home, (view) => isReady('w')(view) && view.restarts === 1);
  assert.notEqual(again.pid, pid);
  assert.deepEqual(
    exits.map((exit) => [exit?.worker, exit?.endpoint, exit?.executor, exit?.reason, exit?.signal]),
    [['w', 'e', 'instance:local.1', 'killed by SIGKILL', 'SIGKILL']],
  );
  assert(await runs(home, 'w'));
});

test('a host that returns late keeps its worker without a restart, if there was no other host for it', async () => {
  const home = await fixture.openHome();
  await fixture.openHost('h1');
  const { pid } = await ready(home, 'w');
  fixture.home = null;
  fixture.links.get('h1')?.destroy();
  await until(() => home.view.unplaced().length === 1, 'it is lost');
  fixture.home = home;
  await viewWhere(home, isReady('w'));
  assert.equal(pidOf(home, 'w'), pid);
  assert.deepEqual(home.view.unplaced(), []);
});

test('what a worker printed, and how it ended, while there was no link, is known to the home that it serves next', async () => {
  const ends: string[] = [];
  const lines: string[] = [];
  const opened = async (epoch: number): Promise<PlacedProvider> => {
    const onLine = (spec: WorkerSpec, line: string, _ids: readonly string[], ageMs: number): void => {
      assert(ageMs >= 0 && ageMs < 60_000);
      lines.push(`${spec.id}: ${line}`);
    };
    const home = await fixture.openHome({ epoch, onLine, expected: epoch === 1 ? [] : ['h1'], expectedMs: 10_000 });
    home.onEnded((id, exit) => ends.push(`${id}: ${exit?.reason}`));
    return home;
  };
  const first = await opened(1);
  const agent = await fixture.openHost('h1');
  const { pid } = await ready(first, 'w1');
  const crash = async (killed: number | null, restarts: number): Promise<number | null> => {
    fixture.home = null;
    fixture.links.get('h1')?.destroy();
    await until(() => !agent.isLinked, 'there is no link');
    lines.splice(0);
    process.kill(killed as number, 'SIGKILL');
    await until(
      () => agent.workers.reports().some((report) => report.restarts === restarts && report.state === 'ready'),
      'it is ready again',
    );
    return agent.workers.reports()[0]?.pid ?? null;
  };
  const next = await crash(pid, 1);
  assert.deepEqual(ends, []);
  fixture.home = first;
  await until(() => ends.length === 1 && lines.length > 1, 'the home knows of the end');
  assert.deepEqual(lines, ['w1: (the worker ended: killed by SIGKILL; restarting)', 'w1: (the worker is ready: test_affine/1)']);

  await crash(next, 2);
  const second = await opened(2);
  await until(() => second.linked.host('h1')?.isLinked === true, 'it is linked to the next home');
  assert.deepEqual([ends.length, lines.length], [1, 0], 'which does not know the worker yet');
  await ready(second, 'w2');
  await until(() => ends.length === 2 && lines.length > 1, 'it has adopted the worker');
  assert.deepEqual(ends, ['w1: killed by SIGKILL', 'w2: killed by SIGKILL']);
  assert.match(lines[0] ?? '', /^w2: \(the worker ended/);
});

test('a worker that no host has room for is not started, with the reason', async () => {
  const home = await fixture.openHome();
  await fixture.openHost('h1', { memoryMiB: 1000 });
  await ready(home, 'w1');
  await assert.rejects(home.start(workerSpec('test_affine', { id: 'w2', memoryMiB: 800 })), {
    code: 'unavailable',
    message: /no ready host has 1 vCPU and 800 MiB free/,
  });
  assert.deepEqual(
    home.list().map(({ spec }) => spec.id),
    ['w1'],
  );
});

test('what the home started while no host was linked moves to one: one by one, and no run fails', async () => {
  const placements: NewPlacement[] = [];
  const home = await fixture.openHome(); // it has no room, as one with more workers than cores
  follow(home, placements);
  await Promise.all(['w1', 'w2'].map((id) => ready(home, id)));
  const before = home.list().map(({ pid }) => pid);
  let isOver = false;
  const calling = ['w1', 'w2'].map(async (id) => {
    while (!isOver) {
      assert(await runs(home, id));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  let movingMax = 0;
  const off = home.onChange(() => (movingMax = Math.max(movingMax, home.list().length)));
  await fixture.openHost('h1');
  await until(() => home.list().every(({ host, state }) => host?.name === 'h1' && state === 'ready'), 'both run on the host');
  await until(() => home.view.list().every(({ isHome, workers }) => !isHome || workers.length === 0), 'the old ones have ended');
  off();
  isOver = true;
  await Promise.all(calling);
  assert.equal(movingMax, 2, 'each worker is listed once');
  assert(!home.list().some(({ pid }) => before.includes(pid)));
  assert.deepEqual(
    placements.map(({ worker, host, cause, from }) => [worker.id, host, cause, from]),
    [
      ['w1', 'h1', 'stopgap', 'home'],
      ['w2', 'h1', 'stopgap', 'home'],
    ],
  );
});

test('a home of last resort runs what no host has room for, until one has', async () => {
  const home = await fixture.openHome({ localWorkers: 'when-needed', home: { name: 'home', zone: 'z0', cpuMilli: 8000, memoryMiB: 8192 } });
  await fixture.openHost('h1', { memoryMiB: 600 });
  assert.equal((await ready(home, 'w1')).host?.name, 'h1');
  assert.equal((await ready(home, 'w2')).host, undefined);
  await fixture.openHost('h2');
  await viewWhere(home, (view) => isReady('w2')(view) && view.host?.name === 'h2');
  assert(await runs(home, 'w2'));
});

test('a home that runs no workers waits for hosts, with the reason', async () => {
  const home = await fixture.openHome({ localWorkers: 'never', home: { name: 'home', zone: 'z0', cpuMilli: 8000, memoryMiB: 8192 } });
  await assert.rejects(home.start(workerSpec('test_affine', { id: 'w' })), {
    code: 'unavailable',
    message: /no host has room: none is linked, .*--local-workers never/,
  });
  await fixture.openHost('h1', { memoryMiB: 100 });
  await assert.rejects(home.start(workerSpec('test_affine', { id: 'w' })), {
    code: 'unavailable',
    message: /no ready host has .* free: h1 has .*, home is cordoned$/,
  });
  await fixture.openHost('h2');
  assert.equal((await ready(home, 'w')).host?.name, 'h2');
});

test('a second machine of the same name is refused', async () => {
  await fixture.openHome();
  await fixture.openHost('h1');
  await assert.rejects(
    fixture.dial(
      'h1',
      { instance: 'f'.repeat(32), version: '0', zone: 'z', cpuMilli: 1, memoryMiB: 1 },
      AbortSignal.timeout(5000),
      undefined,
    ),
    { code: 'already_exists', message: /another machine is linked as host h1: start this one with another --name/ },
  );
});

test('the workers of a killed agent end with it, and start elsewhere', async () => {
  const home = await fixture.openHome();
  const agent = await fixture.spawnHost(home, 'h1');
  const { pid } = await ready(home, 'w');
  await fixture.openHost('h2');
  agent.kill('SIGKILL');
  await until(() => !isAlive(pid as number), 'its worker has ended');
  await viewWhere(home, (view) => isReady('w')(view) && view.host?.name === 'h2');
  assert(await runs(home, 'w'));
});

test('an agent that was stopped for a while is routed around, and ends its old workers when it returns', async () => {
  const home = await fixture.openHome();
  const agent = await fixture.spawnHost(home, 'h1');
  await ready(home, 'w');
  await fixture.openHost('h2');
  const run = (home.link('w') as ServingLink).run([floats('x', [1, 3], 1)]);
  await run;
  agent.kill('SIGSTOP');
  const late = (home.link('w') as ServingLink).run([floats('x', [1, 3], 1)]);
  await assert.rejects(late, WorkerLost); // nothing arrives for 1.5 s
  await viewWhere(home, (view) => isReady('w')(view) && view.host?.name === 'h2');
  agent.kill('SIGCONT');
  await until(() => home.linked.host('h1')?.isLinked === true, 'it has returned');
  assert.equal(home.list()[0]?.host?.name, 'h2');
  assert(await runs(home, 'w'));
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const gpu = { 'local.gpu': { devices: [0], perDevice: 1, memoryMiB: 1024, usdPerHour: 1, vcpu: 1 } };

test('a worker that needs a device runs on a host that has one free, and at home if no host has any', async () => {
  const placements: NewPlacement[] = [];
  const home = await fixture.openHome({
    accelerators: devicePlaces(gpu),
    home: { name: 'home', zone: 'z0', cpuMilli: 8000, memoryMiB: 8192 },
  });
  follow(home, placements);
  await fixture.openHost('h1');
  const accelerated = { instanceType: 'local.gpu' };
  assert.equal((await ready(home, 'w1', accelerated)).host?.name ?? 'home', 'home', 'h1 has no device');
  await fixture.openHost('h2', { accelerators: devicePlaces(gpu) });
  assert.equal((await ready(home, 'w2', accelerated)).host?.name, 'h2');
  await assert.rejects(
    home.start(workerSpec('test_affine', { ...accelerated, id: 'w3' })),
    /a device for local\.gpu/,
    'each device is in use',
  );
  assert.deepEqual(
    placements.map(({ worker, host }) => [worker.id, host]),
    [
      ['w1', 'home'],
      ['w2', 'h2'],
    ],
  );
});
