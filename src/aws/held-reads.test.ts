import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { held, holdMsOf, isWaiter, readHoldMs, waiterHoldMs } from './held-reads.ts';

/** As botocore 1.44.8 sends it, without and within a waiter. */
const agent = (features: string) =>
  `Boto3/1.44.8 md/Botocore#1.44.8 md/awscrt#0.36.1 ua/2.1 os/linux#6.18 md/arch#x86_64 lang/python#3.11.7 md/pyimpl#CPython ${features} cfg/retry-mode#legacy Botocore/1.44.8`;
const never = new AbortController().signal;
const disconnected = AbortSignal.abort();

describe('a call is one of a waiter', () => {
  for (const [userAgent, expected] of [
    [agent('m/g,N,b,B,Z,E'), true],
    [agent('m/B'), true],
    ['aws-cli/1.45.11 md/Botocore#1.43.11 m/B,b', true],
    [agent('m/g,N,b,Z,E'), false],
    [agent('m/AB,b'), false],
    [agent('md/B'), false],
    ['Boto3/1.26', false],
    ['m/B', false],
    ['', false],
    [undefined, false],
  ] as const) {
    test(`${String(userAgent).slice(0, 20)} … ${/ m\/\S+/.exec(userAgent ?? '')?.[0] ?? ''}: ${expected}`, () => {
      assert.equal(isWaiter(userAgent), expected);
    });
  }
});

test('a waiter is held long, other clients briefly, a client that has disconnected not at all', () => {
  assert.equal(holdMsOf({ userAgent: agent('m/B'), signal: never }), waiterHoldMs);
  assert.equal(holdMsOf({ userAgent: agent('m/b'), signal: never }), readHoldMs);
  assert.equal(holdMsOf({ userAgent: agent('m/b'), signal: never }, 5), 5);
  assert.equal(holdMsOf({ userAgent: agent('m/B'), signal: disconnected }), 0);
});

describe('a held call', () => {
  const call = (signal: AbortSignal) => ({ userAgent: undefined, signal });
  const untilAborted = async (signal: AbortSignal): Promise<void> => void (await once(signal, 'abort'));

  test('ends after its time', async () => {
    const clock = new VirtualClock();
    let isOver = false;
    const ended = held(clock, call(never), 100, untilAborted).then(() => (isOver = true));
    clock.advance(99);
    assert.equal(isOver, false);
    clock.advance(1);
    await ended;
  });

  test('ends when the client disconnects', async () => {
    const client = new AbortController();
    const ended = held(new VirtualClock(), call(client.signal), 100, untilAborted);
    client.abort();
    await ended;
  });

  test('ends with the change, and leaves neither timer nor listener', async () => {
    const clock = new VirtualClock();
    let released: AbortSignal | null = null;
    await held(clock, call(never), 100, async (signal) => {
      released = signal;
    });
    assert.equal((released as AbortSignal | null)?.aborted, true);
  });

  for (const [what, signal, ms] of [
    ['a disconnected client', disconnected, 100],
    ['no time', never, 0],
  ] as const) {
    test(`of ${what} does not wait`, async () => {
      await held(new VirtualClock(), call(signal), ms, () => assert.fail('waited'));
    });
  }
});
