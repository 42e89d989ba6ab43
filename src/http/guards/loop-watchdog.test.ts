import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SystemClock } from '../../clock.ts';
import { type BlockedRequest, LoopActivity } from './loop-activity.ts';
import { LoopWatchdog } from './loop-watchdog.ts';

/** A simulated event loop: time passes only in `work` and `idle`, and due timers fire after the work. */
class Loop {
  nowMs = 0;
  cpuMs = 0;
  #timer: { readonly dueMs: number; readonly run: () => void } | null = null;
  readonly lines: { readonly detail: object; readonly text: string }[] = [];
  readonly delays: number[] = [];
  readonly blocks: number[] = [];
  readonly activity = new LoopActivity({ nowMs: () => this.nowMs });
  readonly watchdog = new LoopWatchdog({
    clock: {
      nowMs: () => this.nowMs,
      wallMs: () => this.nowMs,
      after: (delayMs, run) => {
        this.#timer = { dueMs: this.nowMs + delayMs, run };
        return () => {
          this.#timer = null;
        };
      },
    },
    activity: this.activity,
    log: { warn: (detail: object, text: string) => void this.lines.push({ detail, text }) },
    onDelay: (ms) => void this.delays.push(ms),
    onBlocked: (ms) => void this.blocks.push(ms),
    threadCpuMs: () => this.cpuMs,
  });

  idle(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.#timer !== null && this.#timer.dueMs <= untilMs) {
      this.nowMs = Math.max(this.nowMs, this.#timer.dueMs);
      this.#timer.run();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  work(ms: number, request: BlockedRequest | null = null, cpuMs = ms): void {
    if (request !== null) this.activity.enter(request);
    this.nowMs += ms;
    this.cpuMs += cpuMs;
    this.idle(0);
  }
}

describe('the watchdog of the event loop', () => {
  test('logs a slice above 100 ms with the route that likely caused it', () => {
    const loop = new Loop();
    loop.watchdog.start();
    loop.idle(45);
    loop.work(2000, { method: 'POST', url: '/api/v1/endpoints/e/invoke?label=x' });
    assert.deepEqual(loop.blocks, [1985]);
    assert.deepEqual(loop.lines, [
      {
        detail: { blockedMs: 1985, cpuMs: 2000, likelyRoute: 'POST /api/v1/endpoints/e/invoke', unlogged: 0 },
        text: 'the event loop was blocked for 1985 ms: likely by POST /api/v1/endpoints/e/invoke',
      },
    ]);
    assert.deepEqual([loop.watchdog.blocks, loop.watchdog.blockedMs], [1, 1985]);
  });

  test('names no request for a block without one, or for many short requests', () => {
    const loop = new Loop();
    loop.watchdog.start();
    loop.work(300);
    loop.idle(2000);
    for (let i = 0; i < 10; i++) {
      loop.activity.enter({ method: 'GET', url: `/${i}` });
      loop.nowMs += 30;
    }
    loop.idle(0);
    assert.deepEqual(
      loop.lines.map(({ text }) => text.replace(/^.*ms: /, '')),
      [
        'no single request explains it',
        'no single request explains it; it got only 0 ms of CPU time, so the machine was busy or a disk slow',
      ],
    );
  });

  test('logs at most one line per second and counts the rest', () => {
    const loop = new Loop();
    loop.watchdog.start();
    for (let i = 0; i < 12; i++) loop.work(150, { method: 'GET', url: '/' });
    assert.equal(loop.blocks.length, 12);
    assert.deepEqual(
      loop.lines.map(({ detail }) => (detail as { unlogged: number }).unlogged),
      [0, 6],
    );
  });

  test('records the delay of each tick while requests arrive, and nothing of an idle server', () => {
    const loop = new Loop();
    loop.watchdog.start();
    loop.idle(1000);
    assert.deepEqual(loop.delays, []);
    loop.work(23, { url: '/' });
    assert.deepEqual(loop.delays, [3]);
    loop.watchdog.stop();
    loop.work(500, { url: '/' });
    assert.equal(loop.delays.length, 1);
  });

  test('detects a real block', async () => {
    const clock = new SystemClock();
    const activity = new LoopActivity(clock);
    const { promise, resolve } = Promise.withResolvers<object>();
    const log = { warn: (detail: object) => resolve(detail) };
    const watchdog = new LoopWatchdog({ clock, activity, log, onDelay: () => {}, onBlocked: () => {} });
    watchdog.start();
    clock.after(5, () => {
      activity.enter({ method: 'PUT', url: '/slow' });
      const untilMs = clock.nowMs() + 300;
      while (clock.nowMs() < untilMs);
    });
    const { likelyRoute } = (await promise) as { readonly likelyRoute: string };
    watchdog.stop();
    assert.equal(likelyRoute, 'PUT /slow');
  });
});
