/** How an agent dials a home that accepts its connections and rejects its links. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { HostsFixture, socketPair } from '../../../test/hosts-fixture.ts';
import { VirtualClock } from '../../clock.ts';
import type { Log } from '../../logs/index.ts';
import { HostAgent } from './host-agent.ts';

let fixture: HostsFixture;
beforeEach(() => {
  fixture = new HostsFixture();
});
afterEach(() => fixture.close());

interface RejectedAgent {
  readonly agent: HostAgent;
  readonly clock: VirtualClock;
  readonly warnings: readonly string[];
  /** When it dialled, in virtual milliseconds. */
  readonly dials: readonly number[];
  /** Resolves when this many dials were rejected and the agent waits. */
  readonly waits: (dials: number) => Promise<void>;
}

/** An agent whose random numbers leave nothing out of a wait. */
async function openRejected(): Promise<RejectedAgent> {
  const clock = new VirtualClock();
  const dials: number[] = [];
  const warnings: string[] = [];
  const quiet = (): void => undefined;
  const warn = (fields: { reason: string; times?: number }, text: string): void =>
    void warnings.push(`${fields.times ?? 1}: ${text}: ${fields.reason}`);
  let timers = 0;
  const counting = {
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs(),
    after: (delayMs: number, run: () => void) => {
      timers++;
      return clock.after(delayMs, run);
    },
  };
  const agent = new HostAgent({
    clock: counting,
    random: { next: () => 0 },
    log: { debug: quiet, info: quiet, error: quiet, warn } as unknown as Log,
    provider: await fixture.openLocal(),
    artifacts: { setLink: quiet },
    folder: join(fixture.root, 'agent'),
    version: '0',
    zone: 'z1',
    cpuMilli: 8000,
    memoryMiB: 16_384,
    abilities: { isolation: 'none', architecture: process.arch, pythons: [] },
    keepMs: 60_000,
    dial: async () => {
      dials.push(clock.nowMs());
      const [near, far] = await socketPair();
      far.destroy();
      timers = 0;
      return near;
    },
  });
  // A link sets one timer, its beats, and then the agent sets that of its wait.
  const waits = async (count: number): Promise<void> => {
    while (dials.length < count || timers < 2) await new Promise(setImmediate);
  };
  return { agent, clock, warnings, dials, waits };
}

test('waits longer each time, and logs the reason once a minute', async () => {
  const { agent, clock, warnings, dials, waits } = await openRejected();
  const run = agent.run();
  for (let count = 1; clock.nowMs() < 70_000; count++) {
    await waits(count);
    while (dials.length === count) {
      clock.advance(100);
      await new Promise(setImmediate);
    }
  }
  await waits(dials.length);
  assert.deepEqual(dials.slice(0, 8), [0, 200, 600, 1400, 3000, 6200, 11_200, 16_200]);
  assert.deepEqual(warnings, [
    '1: the home ended the link before it accepted this host: workers go on: the other side closed it',
    '16: the home ended the link before it accepted this host: workers go on: the other side closed it',
  ]);
  await agent.close();
  await run;
});

test('a wait ends at once when the agent is to drain or to end', async () => {
  const { agent, dials, waits } = await openRejected();
  const run = agent.run();
  await waits(1);
  await agent.drain(60_000); // it has no workers
  await waits(2);
  assert.deepEqual(dials, [0, 0]);
  await agent.close();
  await run;
  assert.deepEqual(dials, [0, 0]);
});
