import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { SystemClock, VirtualClock } from '../clock.ts';
import type { ChoiceOrder } from './choose-batching.ts';
import { Chooser } from './chooser.ts';

/** A thread that answers with its own number and the order, and does as orders say. */
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
const order = (what: string): ChoiceOrder => ({ do: what }) as unknown as ChoiceOrder;

interface Echo {
  readonly threadId: number;
  readonly order: { readonly do: string };
  readonly computeMs: number;
}

let chooser: Chooser;
const ask = async (what: string): Promise<Echo> => (await chooser.choose(order(what))) as unknown as Echo;
afterEach(async () => chooser.close());

test('one thread answers one order after the other', async () => {
  chooser = new Chooser({ clock: new SystemClock(), threadUrl });
  const answers = await Promise.all(['a', 'b', 'c'].map(ask));
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

test('a computation that fails is told, and the thread goes on', async () => {
  chooser = new Chooser({ clock: new SystemClock(), threadUrl });
  const { threadId } = await ask('a');
  await assert.rejects(ask('fail'), { code: 'internal', message: /B is below 1/ });
  assert.equal((await ask('b')).threadId, threadId);
});

for (const [what, says] of [
  ['die', /exit code 7/],
  ['throw', /out of memory/],
] as const) {
  test(`a thread that ends (${what}) fails what it computed, and nothing of what waits`, async () => {
    chooser = new Chooser({ clock: new SystemClock(), threadUrl });
    const { threadId } = await ask('a');
    const [failed, next] = await Promise.allSettled([ask(what), ask('b')]);
    assert.equal(failed.status, 'rejected');
    assert.match(String(failed.reason), says);
    assert.equal(next.status, 'fulfilled');
    assert.notEqual(next.value.threadId, threadId);
  });
}

test('a thread that is stuck is given up after the time it has', async () => {
  const clock = new VirtualClock();
  chooser = new Chooser({ clock, threadUrl, timeoutMs: 500 });
  await ask('a');
  const [stuck, next] = [ask('loop'), ask('b')];
  clock.advance(499);
  clock.advance(1);
  await assert.rejects(stuck, { code: 'unavailable', message: /within 500 ms/ });
  assert.equal((await next).order.do, 'b');
});

test('closing refuses what waits, what is computed and what comes', async () => {
  chooser = new Chooser({ clock: new VirtualClock(), threadUrl });
  const asked = ['loop', 'a'].map(ask);
  const settled = Promise.allSettled(asked);
  await chooser.close();
  for (const outcome of await settled) assert.match(String((outcome as PromiseRejectedResult).reason), /stopping/);
  await assert.rejects(ask('b'), { code: 'unavailable' });
});

test('the thread of the product chooses settings', async () => {
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
    mayKeep: false,
    inForce: { memoryMiB: 1024, batchSizeMax: 1, waitMsMax: null },
  });
  assert.deepEqual([setting, feasible], [{ memoryMiB: 1024, batchSizeMax: 1, waitMsMax: null }, true]);
  assert(computeMs > 0);
});
