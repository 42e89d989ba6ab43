/** Cases X4 and X5: priorities and timeouts. */
import assert from 'node:assert/strict';
import { ok } from '../assertions.ts';
import type { Case } from '../case.ts';
import { readStatistics } from './extensions.ts';
import { occupyServer, slowLoop } from './slow-loop.ts';

export const scheduleCases: readonly Case[] = [
  {
    id: 'X4',
    level: 'extension',
    extension: 'schedule_policy',
    promise: 'a request of priority 1 overtakes waiting requests',
    async run(target) {
      const model = await target.fixture('slow');
      const { answered } = await occupyServer(target, model);
      const order: string[] = [];
      const call = async (name: string, iterations: number, priority?: number): Promise<void> => {
        ok(await target.infer(model, slowLoop(iterations, priority === undefined ? {} : { priority })));
        order.push(name);
      };
      const waiting = [1000, 1001, 1002, 1003].map((iterations) => call('default', iterations));
      for (let round = 0; round < 5; round++) await target.wire.send('/v2/health/live');
      await Promise.all([...waiting, call('first', 1004, 1), answered]);
      assert.notEqual(order.at(-1), 'first', `the order of the responses was ${order.join(', ')}`);
      const wrong = await target.infer(model, slowLoop(1, { priority: -1 }));
      await target.refused(wrong, 400, /^request: parameter 'priority' is -1, expected an integer/);
    },
  },
  {
    id: 'X5',
    level: 'extension',
    extension: 'schedule_policy',
    promise: 'the timeout is in microseconds: a request that waits longer never runs, 504',
    async run(target) {
      const model = await target.fixture('slow');
      const { answered } = await occupyServer(target, model);
      const executions = (await readStatistics(target, model)).execution_count;
      await target.refused(await target.infer(model, slowLoop(1, { timeout: 20_000 })), 504, /./);
      ok(await answered);
      ok(await target.infer(model, slowLoop(1, { timeout: 20_000_000 })));
      assert.equal((await readStatistics(target, model)).execution_count, executions + 2, 'the expired request must not run');
      await target.refused(
        await target.infer(model, slowLoop(1, { timeout: '1s' })),
        400,
        /^request: parameter 'timeout' is "1s", expected /,
      );
    },
  },
];
