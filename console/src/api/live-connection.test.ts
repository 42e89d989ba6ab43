import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { LiveConnection, type LiveSource, type LiveState } from './live-connection.ts';

/** Lets pending promises resolve. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class FakeSource implements LiveSource {
  readonly #listeners = new Map<string, (event: { data?: unknown; lastEventId?: string }) => void>();
  isClosed = false;

  addEventListener(kind: string, run: (event: { data?: unknown; lastEventId?: string }) => void): void {
    this.#listeners.set(kind, run);
  }

  close(): void {
    this.isClosed = true;
  }

  say(kind: string, data = '', lastEventId = ''): void {
    this.#listeners.get(kind)?.({ data, lastEventId });
  }
}

describe('LiveConnection', () => {
  let nowMs: number;
  let timers: { atMs: number; run: () => void }[];
  let sources: { source: FakeSource; since: number | null }[];
  let states: LiveState[];
  let numbers: string[];
  let polls: number;
  let connection: LiveConnection;

  const last = (): FakeSource => {
    const found = sources.at(-1)?.source;
    assert(found !== undefined);
    return found;
  };
  const wait = async (ms: number): Promise<void> => {
    const untilMs = nowMs + ms;
    await settled();
    for (;;) {
      const next = timers.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > untilMs) break;
      timers.splice(timers.indexOf(next), 1);
      nowMs = next.atMs;
      next.run();
      await settled();
    }
    nowMs = untilMs;
  };

  beforeEach(() => {
    [nowMs, timers, sources, states, numbers, polls] = [0, [], [], [], [], 0];
    connection = new LiveConnection({
      open: (since) => {
        const source = new FakeSource();
        sources.push({ source, since });
        return source;
      },
      onNumbers: (data) => numbers.push(data),
      onEvent: () => undefined,
      onState: (state) => states.push(state),
      poll: async () => void polls++,
      nowMs: () => nowMs,
      after: (ms, run) => {
        const timer = { atMs: nowMs + ms, run };
        timers.push(timer);
        return () => void (timers.includes(timer) && timers.splice(timers.indexOf(timer), 1));
      },
    });
    connection.open();
  });

  test('reconnects after a loss and resumes from the last event', async () => {
    last().say('event', '{}', '41');
    last().say('error');
    assert.equal(states.at(-1)?.kind, 'lost');
    await wait(1000);
    assert.equal(sources.length, 2);
    assert.equal(sources[1]?.since, 41);
    last().say('numbers', 'a');
    assert.deepEqual([states.at(-1)?.kind, numbers], ['live', ['a']]);
  });

  test('polls after three failures, reports the start of the outage, and stops polling when live again', async () => {
    await wait(500);
    for (const waitMs of [1000, 2000, 0]) {
      last().say('error');
      await wait(waitMs);
    }
    const state = states.at(-1);
    assert(state?.kind === 'lost');
    assert.deepEqual([state.isPolling, state.sinceMs], [true, 500]);
    await wait(10_000);
    assert.equal(polls, 3);
    await wait(20_000);
    last().say('numbers', 'b');
    const before = polls;
    await wait(12_000);
    assert.equal(polls, before);
  });

  test('treats a silent connection as dead', async () => {
    last().say('numbers', 'a');
    await wait(15_000);
    assert.equal(states.at(-1)?.kind, 'lost');
    assert(sources[0]?.source.isClosed);
  });

  test('ignores messages of a closed connection', () => {
    const { source } = sources[0] ?? assert.fail();
    connection.close();
    source.say('numbers', 'late');
    source.say('error');
    assert.deepEqual(numbers, []);
    assert.equal(timers.length, 0);
  });

  test('does not report a pause as a loss', () => {
    connection.pause();
    assert.equal(states.at(-1)?.kind, 'paused');
    assert.equal(timers.length, 0);
  });
});
