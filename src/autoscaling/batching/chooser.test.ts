import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { SystemClock, VirtualClock } from '../../clock.ts';
import type { ChoiceRequest } from './choose-batching.ts';
import { Chooser } from './chooser.ts';

/** A thread that returns its thread id and the order, or fails if the order requests it. */
const script = `
  import { parentPort, threadId } from 'node:worker_threads';
  parentPort.on('message', (order) => {
    if (order.do === 'die') process.exit(7);
    if (order.do === 'throw') throw new Error('out of memory');
    if (order.do === 'loop') for (;;);
    parentPort.postMessage(order.do === 'fail' ? { error: 'B is below 1' } : { choice: { threadId, order }, computeMs: 3 });
  });
`;
const threadUrl = new URL(`data:text/javascript,${encodeURIComponent(script)}`);
const order = (what: string): ChoiceRequest => ({ do: what }) as unknown as ChoiceRequest;

interface Echo {
  readonly threadId: number;
  readonly order: { readonly do: string };
  readonly computeMs: number;
}

let chooser: Chooser;
const call = async (what: string): Promise<Echo> => (await chooser.choose(order(what))) as unknown as Echo;
afterEach(async () => chooser.close());

test('processes orders in sequence in one thread', async () => {
  chooser = new Chooser({ clock: new SystemClock(), threadUrl });
  const answers = await Promise.all(['a', 'b', 'c'].map(call));
  assert.deepEqual(
    answers.map((answer) => [answer.order.do, answer.computeMs]),
    [
      ['a', 3],
      ['b', 3],
      ['c', 3],
    ],
  );
  assert.equal(new Set(answers.map(({ threadId }) => threadId)).size, 1);
});

test('reports a failed computation and keeps the thread', async () => {
  chooser = new Chooser({ clock: new SystemClock(), threadUrl });
  const { threadId } = await call('a');
  await assert.rejects(call('fail'), { code: 'internal', message: /B is below 1/ });
  assert.equal((await call('b')).threadId, threadId);
});

for (const [what, says] of [
  ['die', /exit code 7/],
  ['throw', /out of memory/],
] as const) {
  test(`a thread that ends (${what}) fails the running order, but no waiting ones`, async () => {
    chooser = new Chooser({ clock: new SystemClock(), threadUrl });
    const { threadId } = await call('a');
    const [failed, next] = await Promise.allSettled([call(what), call('b')]);
    assert.equal(failed.status, 'rejected');
    assert.match(String(failed.reason), says);
    assert.equal(next.status, 'fulfilled');
    assert.notEqual(next.value.threadId, threadId);
  });
}

test('replaces a stuck thread after its timeout', async () => {
  const clock = new VirtualClock();
  chooser = new Chooser({ clock, threadUrl, timeoutMs: 500 });
  await call('a');
  const [stuck, next] = [call('loop'), call('b')];
  clock.advance(499);
  clock.advance(1);
  await assert.rejects(stuck, { code: 'unavailable', message: /within 500 ms/ });
  assert.equal((await next).order.do, 'b');
});

test('rejects waiting, running and later orders on close', async () => {
  chooser = new Chooser({ clock: new VirtualClock(), threadUrl });
  const requested = ['loop', 'a'].map(call);
  const settled = Promise.allSettled(requested);
  await chooser.close();
  for (const outcome of await settled) assert.match(String((outcome as PromiseRejectedResult).reason), /stopping/);
  await assert.rejects(call('b'), { code: 'unavailable' });
});

test('the production thread chooses settings', async () => {
  chooser = new Chooser({ clock: new SystemClock() });
  const { setting, computeMs, feasible } = await chooser.choose({
    policy: { kind: 'slack' },
    objective: { percentile: 95, latencyMs: 100 },
    profiles: [{ memoryMiB: 1024, points: [{ batchSize: 1, serviceMs: [10], peakMemoryMiB: 100 }] }],
    price: { usdPerInvocation: 2e-7, usdPerGbSecond: 1.66667e-5, billingGranularityMs: 1 },
    marginMs: 2,
    coldStart: { probability: 0, ms: 0 },
    arrivals: { kind: 'seen', timesMs: Float64Array.of(0, 10, 20) },
    current: null,
    canKeepCurrent: false,
    inForce: { memoryMiB: 1024, batchSizeMax: 1, waitMsMax: null },
  });
  assert.deepEqual([setting, feasible], [{ memoryMiB: 1024, batchSizeMax: 1, waitMsMax: null }, true]);
  assert(computeMs > 0);
});
