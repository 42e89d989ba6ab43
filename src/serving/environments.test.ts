import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { environmentsOf, type FunctionHouse, functionHouse, nothing, unhurried } from '../../test/function-house.ts';

describe('from nothing, and back to it', () => {
  test('nothing runs until somebody comes; who comes is held, not failed, until a function is ready', () => {
    const scene = functionHouse();
    scene.clock.advance(10_000);
    assert.deepEqual(scene.started, []);
    scene.send('a');
    assert.deepEqual(scene.started, [{ id: 'f0', memoryMiB: 2048, atMs: 10_000 }]);
    scene.clock.advance(99);
    assert.deepEqual(environmentsOf(scene), { ...nothing, starting: 1 });
    scene.clock.advance(12);
    assert.equal(scene.outcomes.get('a')?.atMs, 10_111);
  });

  test('a function is started when the batch opens, not when it leaves; company may join meanwhile', () => {
    const scene = functionHouse({}, { setting: { batchSizeMax: 4 }, coldMs: 50 });
    scene.send('a');
    scene.at(70, () => scene.send('b'));
    scene.clock.advance(200);
    assert.deepEqual(
      scene.started.map(({ atMs }) => atMs),
      [0],
    );
    assert.deepEqual(scene.runs, [{ worker: 'f0', requests: ['a', 'b'], atMs: 88 }]);
  });

  test('a batch that is due while its function starts stays open until it is ready, and leaves for the reason it was due', () => {
    const scene = functionHouse({}, { setting: { batchSizeMax: 4 }, coldMs: 150 });
    scene.send('a');
    scene.at(120, () => scene.send('b'));
    scene.clock.advance(300);
    assert.deepEqual(scene.dispatches, [{ reason: 'slack', rows: 2, atMs: 150 }]);
    assert.equal(scene.started.length, 1);
  });

  test('an idle function ends after the keep-alive, counted from its last batch', () => {
    const scene = functionHouse({ keepAliveMs: 1000 });
    scene.send('a');
    scene.clock.advance(800);
    scene.send('b'); // ends at 811
    scene.clock.advance(1010);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 1 });
    scene.clock.advance(1);
    assert.deepEqual([environmentsOf(scene), scene.stopped, scene.deserted], [nothing, ['f0'], 1]);
    scene.send('c');
    scene.clock.advance(200);
    assert.deepEqual([scene.codeOf('c'), scene.started.length], ['ok', 2]);
  });

  test('an idle function is not ended under a batch that will need it', () => {
    const scene = functionHouse({ keepAliveMs: 1000 }, { setting: { batchSizeMax: 4 }, coldMs: 10 });
    scene.send('a'); // answered by 100
    scene.clock.advance(1090);
    scene.send('b');
    scene.clock.advance(20);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 1 });
    scene.clock.advance(100);
    assert.deepEqual([scene.codeOf('b'), scene.started.length], ['ok', 1]);
  });

  test('where starts share two cores, no more than two start at once, and those alone that are still needed then', () => {
    const scene = functionHouse({}, { cores: 2 });
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
      [0, 0, 100, 100], // the first two took a batch each when they were ready, the three others were soon taken by four
    );
  });

  test('those that are kept warm come one after the other, too', () => {
    const scene = functionHouse({ provisioned: 3, maxConcurrency: 3 }, { cores: 1 });
    scene.clock.advance(350);
    assert.deepEqual(
      scene.started.map(({ atMs }) => atMs),
      [0, 100, 200],
    );
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 3 });
  });

  test('a start that hangs holds up the next one until it is long overdue, and no longer', () => {
    const scene = functionHouse({}, { cores: 1 });
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
      [0, 1000, 1100], // one after the other as before, f0 left out of account
    );
  });

  test('with a keep-alive of nothing it ends after its batch', () => {
    const scene = functionHouse({ keepAliveMs: 0 });
    scene.send('a');
    scene.clock.advance(111);
    assert.deepEqual([scene.codeOf('a'), environmentsOf(scene)], ['ok', nothing]);
  });

  test('of idle functions the one used last is used again, so that the others can end', () => {
    const scene = functionHouse({ keepAliveMs: 1000 });
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

describe('as many as are needed', () => {
  test('one for each batch that waits, up to the most there may be', () => {
    const scene = functionHouse({ maxConcurrency: 3 }, unhurried);
    for (let i = 0; i < 5; i++) scene.send(`r${i}`);
    assert.equal(scene.started.length, 3);
    scene.clock.advance(122);
    assert.equal(scene.aliveMost, 3);
    assert.deepEqual(
      scene.runs.map(({ atMs }) => atMs),
      [100, 100, 100, 111, 111],
    );
  });

  test('who is overdue leaves in full batches, by deadline; as many functions start as those batches need', () => {
    const scene = functionHouse({}, { setting: { batchSizeMax: 4 }, coldMs: 200 });
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

  test('a batch that opens while the only idle one is promised to another starts one more', () => {
    const scene = functionHouse({}, { setting: { batchSizeMax: 4 } });
    scene.pool.configure(scene.settings({ provisioned: 1 }));
    scene.clock.advance(1000);
    scene.send('a');
    assert.equal(scene.started.length, 1);
    scene.clock.advance(88.5);
    scene.send('b'); // a leaves with the idle one
    assert.equal(scene.started.length, 2);
  });
});

describe('kept warm', () => {
  test('those provisioned are started at once, kept and charged for, also after their batches', () => {
    const scene = functionHouse({ provisioned: 2, keepAliveMs: 0 });
    assert.equal(scene.started.length, 2);
    assert.deepEqual([...scene.provisioned], [], 'nothing is charged for before it is ready');
    scene.clock.advance(100);
    assert.deepEqual([...scene.provisioned], ['f0', 'f1']);
    for (const id of ['a', 'b', 'c']) scene.send(id);
    scene.clock.advance(10_000);
    assert.deepEqual([environmentsOf(scene), [...scene.provisioned]], [{ ...nothing, idle: 2 }, ['f0', 'f1']]);
    assert.equal(scene.started.length, 3);
  });

  test('one that dies is replaced without anybody asking', () => {
    const scene = functionHouse({ provisioned: 1 });
    scene.clock.advance(100);
    scene.pool.detach('f0');
    assert.deepEqual([[...scene.provisioned], scene.started.length], [[], 2]);
    scene.clock.advance(100);
    assert.deepEqual([...scene.provisioned], ['f1']);
  });

  test('more or fewer are wanted: those there are count first, and those no longer kept end in their time', () => {
    const scene = functionHouse({ keepAliveMs: 1000 });
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

  /** Every function there is, and what it is kept for. */
  const keptOf = (scene: FunctionHouse): string[] => [...scene.kept].map(([id, kept]) => `${id} ${kept}`);

  test('for a while, as whoever plans asks: those provisioned count among them, and each is charged in its way', () => {
    const scene = functionHouse({ provisioned: 1, keepAliveMs: 1000 });
    scene.functions.keepWarm(3);
    scene.clock.advance(100);
    assert.deepEqual(keptOf(scene), ['f0 provisioned', 'f1 pinged', 'f2 pinged']);
    scene.pool.configure(scene.settings({ provisioned: 2, keepAliveMs: 1000 }));
    assert.deepEqual(keptOf(scene), ['f0 provisioned', 'f1 pinged', 'f2 provisioned']);
    scene.clock.advance(10_000);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 3 });
    scene.functions.keepWarm(0);
    assert.deepEqual(keptOf(scene), ['f0 provisioned', 'f2 provisioned']);
    scene.clock.advance(1000);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 2 });
  });

  test('for a while: no more than may be at once, and none where the functions are given up', () => {
    const scene = functionHouse({ maxConcurrency: 2 });
    scene.functions.keepWarm(12);
    scene.clock.advance(100);
    assert.equal(scene.kept.size, 2);
    scene.pool.retire();
    scene.functions.keepWarm(11);
    assert.deepEqual([scene.kept.size, scene.alive.size], [0, 0]);
  });

  test('by pings: the start is an invocation of its own, and nobody pays for it with his request', () => {
    const scene = functionHouse({});
    scene.functions.keepWarm(1);
    scene.clock.advance(100);
    assert.deepEqual(
      scene.invocations.map(({ billedMs, isColdStart }) => [billedMs, isColdStart]),
      [[100, false]],
    );
    scene.functions.keepWarm(0);
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

  test('fewer at once are wanted: idle ones end at once, busy ones after their batch', () => {
    const scene = functionHouse({ maxConcurrency: 4 });
    for (const id of ['a', 'b', 'c', 'd']) scene.send(id);
    scene.clock.advance(105);
    scene.pool.configure(scene.settings({ maxConcurrency: 2 }));
    assert.equal(scene.alive.size, 4);
    scene.clock.advance(20);
    assert.equal(scene.alive.size, 2);
    assert(['a', 'b', 'c', 'd'].every((id) => scene.codeOf(id) === 'ok'));
  });
});

describe('another size', () => {
  test('is started first, and the old one serves until it is ready', () => {
    const scene = functionHouse();
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

  test('warms as many as are in use, and never has more than there may be', () => {
    const scene = functionHouse({ maxConcurrency: 4 });
    for (const id of ['a', 'b', 'c', 'd']) scene.send(id);
    scene.clock.advance(105);
    scene.apply({ batchSizeMax: 1, memoryMiB: 1024 });
    assert.equal(scene.started.length, 4, 'all places are taken');
    scene.clock.advance(1000);
    assert.equal(scene.aliveMost, 4);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 4 });
    assert.equal(scene.stopped.length, 4);
    assert(['a', 'b', 'c', 'd'].every((id) => scene.codeOf(id) === 'ok'));
  });

  test('those idle for long are not replaced; one stays warm', () => {
    const scene = functionHouse();
    for (const id of ['a', 'b', 'c']) scene.send(id);
    scene.clock.advance(30_000);
    scene.apply({ batchSizeMax: 1, memoryMiB: 1024 });
    scene.clock.advance(200);
    assert.deepEqual([environmentsOf(scene), scene.started.length], [{ ...nothing, idle: 1 }, 4]);
  });

  test('keeps as many warm as before, each charged while it is there', () => {
    const scene = functionHouse({ provisioned: 2 });
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

  test('while two sizes are there, a batch leaves in time for the slower', () => {
    const serviceMs = (rows: number, memoryMiB: number): number => (memoryMiB === 1024 ? 2 : 1) * (10 + rows);
    const scene = functionHouse({}, { setting: { batchSizeMax: 4 }, serviceMs, coldMs: 100 });
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

  test('back to the old size before the new one is ready: the old ones stay', () => {
    const scene = functionHouse();
    scene.send('a');
    scene.clock.advance(200);
    scene.apply({ batchSizeMax: 1, memoryMiB: 1024 });
    scene.apply({ batchSizeMax: 1, memoryMiB: 2048 });
    scene.clock.advance(1000);
    assert.deepEqual([...scene.alive], ['f0']);
  });

  test('no warm one ends for a successor that may not start yet, though more start than may by now', () => {
    let cores = 4;
    const scene = functionHouse({ maxConcurrency: 4 }, { cores: () => cores });
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
