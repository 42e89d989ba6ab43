import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answered, environmentsOf, functionPoolFixture, nothing, unhurried } from '../../../test/function-pool-fixture.ts';

describe('the end of a function', () => {
  test('a drained function is replaced, and ends when its replacement is ready', async () => {
    const scene = functionPoolFixture();
    scene.send('a');
    scene.clock.advance(200);
    let isDrained = false;
    const draining = scene.pool.drain('f0').then(() => (isDrained = true));
    scene.send('b');
    scene.clock.advance(50);
    await Promise.resolve();
    assert.deepEqual([isDrained, scene.codeOf('b'), scene.started.length], [false, 'ok', 2]);
    scene.clock.advance(50);
    await draining;
    assert.deepEqual(scene.stopped, ['f0']);
    assert.deepEqual(environmentsOf(scene), { ...nothing, idle: 1 });
  });

  test('a retired variant answers its requests with its running functions, then ends them', () => {
    const scene = functionPoolFixture({ maxConcurrency: 2 }, { setting: { batchSizeMax: 4 } });
    scene.send('a');
    scene.clock.advance(200);
    for (const id of ['b', 'c']) scene.send(id);
    scene.pool.retire();
    assert.deepEqual(scene.dispatches.at(-1), { reason: 'flush', rows: 2, atMs: 200 });
    scene.clock.advance(100);
    assert.deepEqual([scene.codeOf('c'), scene.alive.size, scene.noCapacity], ['ok', 0, 1]);
    assert(scene.pool.isEmpty && scene.pool.hasNoCapacity);
  });

  test('a retired variant whose last function crashed starts no other: waiting requests go to its successor', () => {
    const scene = functionPoolFixture({ maxConcurrency: 1 }, unhurried);
    scene.answer = () => ({ kind: 'gone', why: 'SIGKILL' });
    for (const id of ['a', 'b']) scene.send(id);
    scene.clock.advance(105);
    scene.pool.retire();
    scene.clock.advance(20);
    assert.equal(scene.started.length, 1);
    assert(scene.noCapacity > 0);
    assert.deepEqual(
      scene.pool.removeAllWaiting().map(({ call }) => call.requestId),
      ['b', 'a'],
    );
    assert.equal(scene.pool.rowsWaiting, 0);
  });

  test('unloading answers all waiting requests, starting functions if needed, and rejects new ones', async () => {
    const scene = functionPoolFixture({ maxConcurrency: 1, provisioned: 1 }, unhurried);
    for (const id of ['a', 'b']) scene.send(id);
    let isOver = false;
    const finishing = scene.pool.finish().then(() => (isOver = true));
    scene.send('c');
    scene.clock.advance(115);
    await Promise.resolve();
    assert.deepEqual([isOver, scene.codeOf('c')], [false, 'unavailable']);
    scene.clock.advance(100);
    await finishing;
    assert.deepEqual([scene.codeOf('a'), scene.codeOf('b'), scene.alive.size], ['ok', 'ok', 0]);
    scene.clock.advance(10_000);
    scene.apply({ batchSizeMax: 2 });
    assert.deepEqual([scene.alive.size, scene.provisioned.size], [0, 0], 'also if a setting was chosen meanwhile');
    scene.pool.configure(scene.settings());
    assert.equal(scene.alive.size, 1, 'after loading, one is kept warm again');
  });

  test('close leaves nothing running', () => {
    const scene = functionPoolFixture({ provisioned: 1 }, { setting: { batchSizeMax: 4 } });
    scene.clock.advance(100);
    scene.send('a');
    scene.pool.close();
    scene.clock.advance(100_000);
    assert.deepEqual([scene.alive.size, scene.provisioned.size, scene.runs.length], [0, 0, 0]);
  });
});

describe('failures', () => {
  test('the requests of a crashed worker are rerun one by one on a new worker', () => {
    const scene = functionPoolFixture({}, { setting: { batchSizeMax: 4 } });
    scene.answer = (requests) => (requests.length > 1 ? { kind: 'gone', why: 'SIGSEGV' } : answered(requests));
    for (const id of ['a', 'b']) scene.send(id);
    scene.clock.advance(1000);
    assert.deepEqual([scene.codeOf('a'), scene.codeOf('b')], ['ok', 'ok']);
    assert.deepEqual(scene.stopped, ['f0']);
    assert.deepEqual(
      scene.dispatches.map(({ reason, rows }) => [reason, rows]),
      [
        ['slack', 2],
        ['idle', 1],
        ['idle', 1],
      ],
    );
  });

  test('a request that crashes every worker fails alone', () => {
    const scene = functionPoolFixture({ maxConcurrency: 2 }, { setting: { batchSizeMax: 4 } });
    scene.answer = (requests) =>
      requests.some(({ call }) => call.requestId === 'bad') ? { kind: 'gone', why: 'SIGSEGV' } : answered(requests);
    for (const id of ['a', 'bad', 'b']) scene.send(id);
    scene.clock.advance(5000);
    assert.deepEqual(
      ['a', 'bad', 'b'].map((id) => scene.codeOf(id)),
      ['ok', 'model_failed', 'ok'],
    );
    assert.match(scene.messageOf('bad'), /crashed 2 times/);
  });

  test('a failed batch is bisected, and each run is billed', () => {
    const scene = functionPoolFixture({}, { setting: { batchSizeMax: 4 } });
    const error = Object.assign(new Error('no'), { code: 'model_failed' }) as never;
    scene.answer = (requests) => (requests.some(({ call }) => call.requestId === 'bad') ? { kind: 'failed', error } : answered(requests));
    for (const id of ['a', 'bad', 'b', 'c']) scene.send(id);
    scene.clock.advance(1000);
    assert.deepEqual(
      ['a', 'bad', 'b', 'c'].map((id) => scene.codeOf(id)),
      ['ok', 'model_failed', 'ok', 'ok'],
    );
    assert.deepEqual(
      scene.invocations.map(({ billedMs, isColdStart }) => [billedMs, isColdStart]),
      [
        [114, true],
        [12, false],
        [11, false],
        [11, false],
        [12, false],
      ],
    );
  });

  test('if functions fail to start, waiting requests fail with the reason, and new ones are rejected until the next attempt', () => {
    const scene = functionPoolFixture();
    scene.isPrompt = false;
    scene.send('a');
    scene.clock.advance(500);
    scene.pool.failed('f0', 'worker exited with code 1: no such file');
    assert.equal(scene.codeOf('a'), 'model_failed');
    assert.match(scene.messageOf('a'), /failed to start a function of m\/1: worker exited with code 1: no such file; .* in 1 s/);
    scene.send('b');
    assert.deepEqual([scene.codeOf('b'), scene.started.length], ['model_failed', 1]);
    scene.clock.advance(1000);
    scene.send('c');
    assert.deepEqual([scene.codeOf('c'), scene.started.length], [undefined, 2]);
    scene.pool.failed('f1', 'again');
    scene.clock.advance(1999);
    scene.send('d');
    scene.clock.advance(1);
    scene.isPrompt = true;
    scene.send('e');
    scene.clock.advance(200);
    assert.deepEqual([scene.codeOf('d'), scene.codeOf('e')], ['model_failed', 'ok']);
  });

  test('if a start fails immediately, the request fails with the reason', () => {
    const scene = functionPoolFixture();
    scene.refuses = new Error('the endpoint is being deleted');
    scene.send('a');
    assert.match(scene.messageOf('a'), /failed to start a function of m\/1: the endpoint is being deleted/);
  });

  test('a failed start fails no request while another function is running', () => {
    const scene = functionPoolFixture();
    scene.send('a');
    scene.clock.advance(105);
    scene.isPrompt = false;
    scene.send('b');
    scene.pool.failed('f1', 'no memory');
    scene.clock.advance(30);
    assert.deepEqual([scene.codeOf('a'), scene.codeOf('b')], ['ok', 'ok']);
  });

  test('starts of warm functions are retried with growing delays', () => {
    const scene = functionPoolFixture({ provisioned: 1 });
    scene.isPrompt = false;
    for (let i = 0; i < 3; i++) {
      scene.pool.failed(`f${i}`, 'no');
      scene.clock.advance(1000 * 2 ** i - 1);
      assert.equal(scene.started.length, i + 1);
      scene.clock.advance(1);
      assert.equal(scene.started.length, i + 2);
    }
  });

  test('a function is ended if its run exceeds the timeout', () => {
    const scene = functionPoolFixture({ maxConcurrency: 1 }, { settings: { timeoutMs: 1000 } });
    scene.answer = (requests) => (requests[0]?.call.requestId === 'a' ? null : answered(requests));
    scene.send('a');
    scene.at(500, () => scene.send('b', { timeoutMs: 10_000 }));
    scene.clock.advance(1500);
    assert.deepEqual([scene.codeOf('a'), scene.codeOf('b'), scene.stopped], ['deadline_exceeded', 'ok', ['f0']]);
  });

  test('a worker that is no longer needed is ended once it is ready', () => {
    const scene = functionPoolFixture();
    scene.isPrompt = false;
    scene.send('a');
    scene.pool.retire();
    scene.pool.failed('f0', 'no');
    scene.ready('f0');
    assert.deepEqual(scene.stopped, ['f0', 'f0']);
    assert.equal(scene.pool.executors.length, 0);
  });
});
