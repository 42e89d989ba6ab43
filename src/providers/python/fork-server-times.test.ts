/** The times of a fork server, with real processes: how long an import may take, and when a server without workers ends. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { until } from '../../../test/end-to-end/poll.ts';
import { openForkServers } from '../../../test/fork-servers-fixture.ts';
import { type Clock, SystemClock } from '../../clock.ts';
import { silentLog } from '../isolation/standalone.ts';
import type { LaunchedWorker } from '../processes/launched-worker.ts';
import { startTicks } from '../processes/process-facts.ts';

interface Alarm {
  atMs: number;
  run(): void;
  cancel(): void;
}

/** Real time, for real processes, in which a test can skip ahead. */
class SkippingClock implements Clock {
  readonly #real = new SystemClock();
  readonly #alarms = new Set<Alarm>();
  #skippedMs = 0;

  nowMs(): number {
    return this.#real.nowMs() + this.#skippedMs;
  }

  wallMs(): number {
    return this.#real.wallMs() + this.#skippedMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const alarm: Alarm = {
      atMs: this.nowMs() + delayMs,
      run: () => {
        this.#alarms.delete(alarm);
        run();
      },
      cancel: this.#real.after(delayMs, () => alarm.run()),
    };
    this.#alarms.add(alarm);
    return () => {
      alarm.cancel();
      this.#alarms.delete(alarm);
    };
  }

  /** Alarms that are due then run at once, in their order. */
  skip(byMs: number): void {
    this.#skippedMs += byMs;
    for (const alarm of [...this.#alarms].sort((a, b) => a.atMs - b.atMs)) {
      if (!this.#alarms.has(alarm) || alarm.atMs > this.nowMs()) continue;
      alarm.cancel();
      alarm.run();
    }
  }
}

/** Its import never ends. */
const pack = `
import time
print("importing", flush=True)
while True:
    time.sleep(600)
`;

const clock = new SkippingClock();
const lines: string[] = [];
const log = { ...silentLog, info: (_: unknown, text?: string) => lines.push(text ?? '') };
const { forks, python, skipForks, runs, close } = await openForkServers({ clock, log, pack });

describe('a fork server', { skip: skipForks }, () => {
  after(close);

  /** Of another fork server than the one that was given up. */
  async function fork(): Promise<LaunchedWorker> {
    const worker = await forks.fork({ ...python, threads: 2 }, ['json'], runs('pass'));
    assert(worker !== null, `not forked: ${JSON.stringify(forks.list())}`);
    return worker;
  }

  test('whose imports take more than 60 s is given up for ten minutes, in which workers are spawned', async () => {
    const forked = forks.fork(python, ['pack'], runs('pass'));
    await until('the import has begun', () => lines.includes('importing'));
    clock.skip(58_000);
    assert.equal(forks.list()[0]?.state, 'starting');
    clock.skip(2_000);
    assert.equal(await forked, null, 'the worker is spawned');
    const [view] = forks.list();
    assert.deepEqual([view?.state, view?.pid, view?.note], ['resting', null, 'its imports took more than 60 s']);
    clock.skip(590_000);
    assert.equal(await forks.fork(python, ['pack'], runs('pass')), null, 'it is not tried again yet');
  });

  test('ends ten minutes after its last worker, and the next worker starts another', async () => {
    clock.skip(600_000);
    const first = await fork();
    const pid = forks.list()[0]?.pid ?? 0;
    const ticks = startTicks(pid);
    assert.notEqual(ticks, null);
    await first.ended;
    clock.skip(590_000);
    await (await fork()).ended; // its ten minutes begin again
    assert.equal(forks.list()[0]?.pid, pid);
    clock.skip(590_000);
    assert.equal(forks.list()[0]?.pid, pid);
    clock.skip(10_000);
    assert.deepEqual(forks.list(), []);
    await until('its process has ended', () => startTicks(pid) !== ticks);
    await (await fork()).ended;
    assert.notEqual(forks.list()[0]?.pid, pid);
  });
});
