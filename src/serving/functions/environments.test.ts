import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { environmentsOf, type FunctionPoolFixture, functionPoolFixture, nothing, unhurried } from '../../../test/function-pool-fixture.ts';

describe('scaling from zero and back', () => {
  test('nothing runs without traffic; a request waits until a function is ready', () => {
    const scene = functionPoolFixture();
    scene.clock.advance(10_000);
    assert.deepEqual(scene.started, []);
    scene.send('a');
    assert.deepEqual(scene.started, [{ id: 'f0', memoryMiB: 2048, atMs: 10_000 }]);
    scene.clock.advance(99);
    assert.deepEqual(environmentsOf(scene), { ...nothing, starting: 1 });
    scene.clock.advance(12);
    assert.equal(scene.outcomes.get('a')?.atMs, 10_111);
  });

  test('a function starts when the batch opens, not at dispatch; requests may join meanwhile', () => {
    const scene = functionPoolFixture({}, { setting: { batchSizeMax: 4 }, coldMs: 50 });
    scene.send('a');
    scene.at(70, () => scene.send('b'));
    scene.clock.advance(200);
    assert.deepEqual(
      scene.started.map(({ atMs }) => atMs),
      [0],
    );
    assert.deepEqual(scene.runs, [{ worker: 'f0', requests: ['a', 'b'], atMs: 88 }]);
  });

  test('a batch that is due while its function starts stays open until it is ready, and keeps its close reason', () => {
    const scene = functionPoolFixture({}, { setting: { batchSizeMax: 4 }, coldMs: 150 });
    scene.send('a');
    scene.at(120, () => scene.send('b'));
    scene.clock.advance(300);
    assert.deepEqual(scene.dispatches, [{ reason: 'slack', rows: 2, atMs: 150 }]);
    assert.equal(scene.started.length, 1);
  });

  test('an idle function ends after the keep-alive, counted from its last batch', () => {
    const scene = functionPoolFixture({ keepAliveMs: 1000 });
    scene.send('a');
    scene.clock.advance(800);
    scene.send('b'); // ends at 811
    scene.clock.advance(1010);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 1 });
    scene.clock.advance(1);
    assert.deepEqual([environmentsOf(scene), scene.stopped, scene.noCapacity], [nothing, ['f0'], 1]);
    scene.send('c');
    scene.clock.advance(200);
    assert.deepEqual([scene.codeOf('c'), scene.started.length], ['ok', 2]);
  });

  test('an idle function is not ended while an open batch will need it', () => {
    const scene = functionPoolFixture({ keepAliveMs: 1000 }, { setting: { batchSizeMax: 4 }, coldMs: 10 });
    scene.send('a'); // answered by 100
    scene.clock.advance(1090);
    scene.send('b');
    scene.clock.advance(20);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 1 });
    scene.clock.advance(100);
    assert.deepEqual([scene.codeOf('b'), scene.started.length], ['ok', 1]);
  });

  test('if starts share two cores, at most two start at once, and only those still needed', () => {
    const scene = functionPoolFixture({}, { cores: 2 });
    for (const id of ['a', 'b', 'c', 'd', 'e']) scene.send(id);
    scene.clock.advance(99);
    assert.deepEqual(environmentsOf(scene), { ...nothing, starting: 2 });
    scene.clock.advance(400);
    assert.deepEqual(
      [...scene.outcomes.values()].map(({ ok }) => ok),
      [true, true, true, true, true],
    );
    assert.deepEqual(
      scene.started.map(({ atMs }) => atMs),
      [0, 0, 100, 100], // the first two functions each took a batch when ready
    );
  });

  test('the limit of concurrent starts also applies to warm functions', () => {
    const scene = functionPoolFixture({ provisioned: 3, maxConcurrency: 3 }, { cores: 1 });
    scene.clock.advance(350);
    assert.deepEqual(
      scene.started.map(({ atMs }) => atMs),
      [0, 100, 200],
    );
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 3 });
  });

  test('a hung start delays the next one only until it is long overdue', () => {
    const scene = functionPoolFixture({}, { cores: 1 });
    scene.isPrompt = false;
    scene.send('a'); // f0 never becomes ready
    scene.isPrompt = true;
    for (const id of ['b', 'c', 'd', 'e']) scene.send(id);
    scene.clock.advance(999);
    assert.equal(scene.started.length, 1);
    scene.clock.advance(2000);
    assert.deepEqual(
      [...scene.outcomes.values()].map(({ ok }) => ok),
      [true, true, true, true, true],
    );
    assert.deepEqual(
      scene.started.map(({ atMs }) => atMs),
      [0, 1000, 1100], // in sequence as before, ignoring f0
    );
  });

  test('with a keep-alive of 0, a function ends after its batch', () => {
    const scene = functionPoolFixture({ keepAliveMs: 0 });
    scene.send('a');
    scene.clock.advance(111);
    assert.deepEqual([scene.codeOf('a'), environmentsOf(scene)], ['ok', nothing]);
  });

  test('the most recently used idle function runs the next batch, so the others can end', () => {
    const scene = functionPoolFixture({ keepAliveMs: 1000 });
    for (const id of ['a', 'b', 'c']) scene.send(id);
    scene.clock.advance(500);
    for (let i = 0; i < 20; i++) {
      scene.send(`r${i}`);
      scene.clock.advance(100);
    }
    assert.equal(new Set(scene.runs.slice(3).map(({ worker }) => worker)).size, 1);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 1 });
  });
});

describe('the number of functions', () => {
  test('is one for each waiting batch, up to the limit', () => {
    const scene = functionPoolFixture({ maxConcurrency: 3 }, unhurried);
    for (let i = 0; i < 5; i++) scene.send(`r${i}`);
    assert.equal(scene.started.length, 3);
    scene.clock.advance(122);
    assert.equal(scene.aliveMost, 3);
    assert.deepEqual(
      scene.runs.map(({ atMs }) => atMs),
      [100, 100, 100, 111, 111],
    );
  });

  test('overdue requests are dispatched in full batches by deadline; one function starts per batch', () => {
    const scene = functionPoolFixture({}, { setting: { batchSizeMax: 4 }, coldMs: 200 });
    for (let i = 0; i < 5; i++) scene.send(`r${i}`);
    assert.equal(scene.started.length, 2);
    scene.at(150, () => ['x', 'y', 'z'].forEach((id) => scene.send(id, { timeoutMs: 90 })));
    scene.clock.advance(150);
    assert.equal(scene.started.length, 2);
    scene.clock.advance(200);
    assert.deepEqual(
      scene.runs.map(({ requests }) => requests),
      [
        ['r0', 'r1', 'r2', 'r3'],
        ['r4', 'x', 'y', 'z'],
      ],
    );
  });

  test('a batch that opens while the only idle function is reserved starts another function', () => {
    const scene = functionPoolFixture({}, { setting: { batchSizeMax: 4 } });
    scene.pool.configure(scene.settings({ provisioned: 1 }));
    scene.clock.advance(1000);
    scene.send('a');
    assert.equal(scene.started.length, 1);
    scene.clock.advance(88.5);
    scene.send('b'); // a is dispatched to the idle function
    assert.equal(scene.started.length, 2);
  });
});

describe('warm functions', () => {
  test('provisioned functions start at once, and stay warm and billed after their batches', () => {
    const scene = functionPoolFixture({ provisioned: 2, keepAliveMs: 0 });
    assert.equal(scene.started.length, 2);
    assert.deepEqual([...scene.provisioned], [], 'nothing is billed before it is ready');
    scene.clock.advance(100);
    assert.deepEqual([...scene.provisioned], ['f0', 'f1']);
    for (const id of ['a', 'b', 'c']) scene.send(id);
    scene.clock.advance(10_000);
    assert.deepEqual([environmentsOf(scene), [...scene.provisioned]], [{ ...nothing, idle: 2 }, ['f0', 'f1']]);
    assert.equal(scene.started.length, 3);
  });

  test('a crashed warm function is replaced without waiting for a request', () => {
    const scene = functionPoolFixture({ provisioned: 1 });
    scene.clock.advance(100);
    scene.pool.detach('f0');
    assert.deepEqual([[...scene.provisioned], scene.started.length], [[], 2]);
    scene.clock.advance(100);
    assert.deepEqual([...scene.provisioned], ['f1']);
  });

  test('a new count first uses running functions; excess functions end after their keep-alive', () => {
    const scene = functionPoolFixture({ keepAliveMs: 1000 });
    for (const id of ['a', 'b']) scene.send(id);
    scene.clock.advance(500);
    scene.pool.configure(scene.settings({ provisioned: 3, keepAliveMs: 1000 }));
    assert.equal(scene.started.length, 3);
    scene.clock.advance(5000);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 3 });
    scene.pool.configure(scene.settings({ provisioned: 1, keepAliveMs: 1000 }));
    scene.clock.advance(1000);
    assert.deepEqual([environmentsOf(scene), scene.provisioned.size], [{ ...nothing, idle: 1 }, 1]);
  });

  /** Every warm function, with the reason why it stays warm. */
  const retainedIn = (scene: FunctionPoolFixture): string[] => [...scene.retained].map(([id, retained]) => `${id} ${retained}`);

  test('a plan counts provisioned functions, and each kind is billed in its own way', () => {
    const scene = functionPoolFixture({ provisioned: 1, keepAliveMs: 1000 });
    scene.functions.retainWarm(3);
    scene.clock.advance(100);
    assert.deepEqual(retainedIn(scene), ['f0 provisioned', 'f1 pinged', 'f2 pinged']);
    scene.pool.configure(scene.settings({ provisioned: 2, keepAliveMs: 1000 }));
    assert.deepEqual(retainedIn(scene), ['f0 provisioned', 'f1 pinged', 'f2 provisioned']);
    scene.clock.advance(10_000);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 3 });
    scene.functions.retainWarm(0);
    assert.deepEqual(retainedIn(scene), ['f0 provisioned', 'f2 provisioned']);
    scene.clock.advance(1000);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 2 });
  });

  test('a plan is limited by the concurrency limit, and ends if functions are removed', () => {
    const scene = functionPoolFixture({ maxConcurrency: 2 });
    scene.functions.retainWarm(12);
    scene.clock.advance(100);
    assert.equal(scene.retained.size, 2);
    scene.pool.retire();
    scene.functions.retainWarm(11);
    assert.deepEqual([scene.retained.size, scene.alive.size], [0, 0]);
  });

  test('a start by a ping is billed as a separate invocation, not with a request', () => {
    const scene = functionPoolFixture({});
    scene.functions.retainWarm(1);
    scene.clock.advance(100);
    assert.deepEqual(
      scene.invocations.map(({ billedMs, isColdStart }) => [billedMs, isColdStart]),
      [[100, false]],
    );
    scene.functions.retainWarm(0);
    scene.send('a');
    scene.clock.advance(20);
    assert.deepEqual(
      scene.invocations.map(({ billedMs, isColdStart }) => [billedMs, isColdStart]),
      [
        [100, false],
        [11, false],
      ],
    );
  });

  test('a lower concurrency limit ends idle functions at once, busy ones after their batch', () => {
    const scene = functionPoolFixture({ maxConcurrency: 4 });
    for (const id of ['a', 'b', 'c', 'd']) scene.send(id);
    scene.clock.advance(105);
    scene.pool.configure(scene.settings({ maxConcurrency: 2 }));
    assert.equal(scene.alive.size, 4);
    scene.clock.advance(20);
    assert.equal(scene.alive.size, 2);
    assert(['a', 'b', 'c', 'd'].every((id) => scene.codeOf(id) === 'ok'));
  });
});

describe('a new memory size', () => {
  test('is started first; the old environment serves until the new one is ready', () => {
    const scene = functionPoolFixture();
    scene.send('a');
    scene.clock.advance(200);
    scene.apply({ batchSizeMax: 1, memoryMiB: 1024 });
    assert.deepEqual(
      scene.started.map(({ memoryMiB }) => memoryMiB),
      [2048, 1024],
    );
    scene.clock.advance(50);
    scene.send('b');
    assert.equal(scene.runs.at(-1)?.worker, 'f0');
    scene.clock.advance(50);
    assert.deepEqual(scene.stopped, ['f0']);
    scene.send('c');
    scene.clock.advance(50);
    assert.deepEqual([scene.runs.at(-1)?.worker, scene.codeOf('b'), scene.codeOf('c')], ['f1', 'ok', 'ok']);
  });

  test('starts as many environments as are in use, within the limit', () => {
    const scene = functionPoolFixture({ maxConcurrency: 4 });
    for (const id of ['a', 'b', 'c', 'd']) scene.send(id);
    scene.clock.advance(105);
    scene.apply({ batchSizeMax: 1, memoryMiB: 1024 });
    assert.equal(scene.started.length, 4, 'the limit is reached');
    scene.clock.advance(1000);
    assert.equal(scene.aliveMost, 4);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 4 });
    assert.equal(scene.stopped.length, 4);
    assert(['a', 'b', 'c', 'd'].every((id) => scene.codeOf(id) === 'ok'));
  });

  test('does not replace functions that were idle for long; at least one is replaced', () => {
    const scene = functionPoolFixture();
    for (const id of ['a', 'b', 'c']) scene.send(id);
    scene.clock.advance(30_000);
    scene.apply({ batchSizeMax: 1, memoryMiB: 1024 });
    scene.clock.advance(200);
    assert.deepEqual([environmentsOf(scene), scene.started.length], [{ ...nothing, idle: 1 }, 4]);
  });

  test('keeps the number of warm functions, each billed while it exists', () => {
    const scene = functionPoolFixture({ provisioned: 2 });
    scene.clock.advance(100);
    scene.apply({ batchSizeMax: 1, memoryMiB: 1024 });
    scene.clock.advance(100);
    assert.deepEqual(
      [[...scene.provisioned], [...scene.alive]],
      [
        ['f2', 'f3'],
        ['f2', 'f3'],
      ],
    );
  });

  test('while two sizes exist, a batch is dispatched in time for the slower', () => {
    const serviceMs = (rows: number, memoryMiB: number): number => (memoryMiB === 1024 ? 2 : 1) * (10 + rows);
    const scene = functionPoolFixture({}, { setting: { batchSizeMax: 4 }, serviceMs, coldMs: 100 });
    scene.send('warm');
    scene.clock.advance(1000);
    scene.apply({ batchSizeMax: 4, memoryMiB: 1024 });
    scene.send('a');
    scene.clock.advance(78);
    assert.equal(scene.dispatches.at(-1)?.atMs, 1078);
    scene.clock.advance(1000);
    scene.apply({ batchSizeMax: 4, memoryMiB: 2048 });
    scene.clock.advance(1000);
    scene.send('b');
    scene.clock.advance(200);
    assert.equal(scene.dispatches.at(-1)?.atMs, 3167);
  });

  test('returning to the old size before the new one is ready keeps the old functions', () => {
    const scene = functionPoolFixture();
    scene.send('a');
    scene.clock.advance(200);
    scene.apply({ batchSizeMax: 1, memoryMiB: 1024 });
    scene.apply({ batchSizeMax: 1, memoryMiB: 2048 });
    scene.clock.advance(1000);
    assert.deepEqual([...scene.alive], ['f0']);
  });

  test('no warm function ends for a replacement that may not start yet, even if more starts are running than allowed', () => {
    let cores = 4;
    const scene = functionPoolFixture({ maxConcurrency: 4 }, { cores: () => cores });
    for (const id of ['a', 'b']) scene.send(id);
    scene.clock.advance(200);
    scene.isPrompt = false;
    for (const id of ['c', 'd', 'e', 'f']) scene.send(id);
    scene.clock.advance(120);
    assert.deepEqual(environmentsOf(scene), { starting: 2, idle: 2, busy: 0 });
    cores = 1;
    scene.apply({ batchSizeMax: 1, memoryMiB: 1024 });
    assert.deepEqual([scene.stopped, scene.started.length], [[], 4]);
  });
});
