/** Instances that wait for company, through the variant's pool on a virtual clock. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { poolOf } from '../../../test/variant-pool-fixture.ts';
import { parseObjective } from '../../objective.ts';

const objective = parseObjective('p95<=100ms');
const flat = (rows: number): number => 6 + rows / 100;

/** Clients that send their next request `pauseMs` after each response. */
function closedLoop(clients: number, { pauseMs = 0.5, forMs = 3000, serviceMs = flat, hasObjective = true } = {}) {
  const platform = poolOf({ serviceMs, ...(hasObjective ? { objective } : {}) });
  const { clock, pool, attach } = platform;
  attach('w');
  let [sent, answered] = [0, 0];
  const send = (): void => {
    sent++;
    pool.submit({ requestId: String(sent), inputs: [], rows: 1, arrivedAtMs: clock.nowMs() }, ({ ok }) => {
      assert(ok);
      answered++;
      clock.after(pauseMs, send);
    });
  };
  for (let i = 0; i < clients; i++) clock.after(i * pauseMs, send);
  for (let atMs = 0; atMs < forMs; atMs += 5) clock.advance(5);
  return { ...platform, answered };
}

describe('company', () => {
  test('unites clients that would otherwise take turns in two batches', () => {
    const { dispatches, answered } = closedLoop(8);
    const late = dispatches.slice(-20);
    assert(
      late.some(({ reason, rows }) => reason === 'company' && rows >= 7) || late.every(({ rows }) => rows === 8),
      JSON.stringify(late),
    );
    const apart = closedLoop(8, { hasObjective: false });
    assert(apart.dispatches.every(({ reason }) => reason !== 'company'));
    assert(answered > 1.3 * apart.answered, `${answered} and ${apart.answered}`);
  });

  for (const clients of [1, 2, 3]) {
    test(`delays none of ${clients} ${clients === 1 ? 'client' : 'clients'}`, () => {
      const { dispatches, answered } = closedLoop(clients);
      const without = closedLoop(clients, { hasObjective: false });
      assert(dispatches.every(({ reason }) => reason !== 'company'));
      assert.equal(answered, without.answered);
    });
  }

  test('is not waited for if rows cost as much in a larger batch', () => {
    const { dispatches } = closedLoop(8, { serviceMs: (rows) => 6 + 3 * rows });
    assert(dispatches.every(({ reason }) => reason !== 'company'));
  });

  test('a held request that is cancelled leaves nothing behind', () => {
    const { clock, pool, dispatches } = closedLoop(8);
    const before = dispatches.length;
    const held = Array.from({ length: 2 }, (_, i) =>
      pool.submit({ requestId: `held-${i}`, inputs: [], rows: 1, arrivedAtMs: clock.nowMs() }, () => {}),
    );
    for (const request of held) pool.cancel(request);
    clock.advance(1000);
    assert(dispatches.length > before);
  });

  test('loses no request, answers each once, and leaves none waiting beside an idle instance for more than 5 ms', () => {
    const gaps = fc.array(fc.double({ min: 0, max: 12, noNaN: true }), { minLength: 50, maxLength: 400 });
    fc.assert(
      fc.property(gaps, fc.boolean(), (gapsMs, isSteep) => {
        const serviceMs = isSteep ? (rows: number) => 6 + 2 * rows : flat;
        const { clock, pool, attach, executorsIdle } = withIdleTime(poolOf({ serviceMs, objective }));
        attach('w');
        let answered = 0;
        for (const gapMs of gapsMs) {
          clock.advance(gapMs);
          pool.submit({ requestId: '', inputs: [], rows: 1, arrivedAtMs: clock.nowMs() }, ({ ok }) => {
            assert(ok);
            answered++;
          });
          executorsIdle();
        }
        clock.advance(2000);
        assert.equal(answered, gapsMs.length);
        assert(pool.isEmpty);
      }),
      { numRuns: 30 },
    );
  });
});

/** Adds a check that the pool has not been idle beside waiting requests for longer than the longest wait. */
function withIdleTime(platform: ReturnType<typeof poolOf>) {
  let sinceMs = Number.NaN;
  const executorsIdle = (): void => {
    const isHeld = platform.pool.rowsWaiting > 0 && platform.pool.executors.every(({ isBusy }) => !isBusy);
    const nowMs = platform.clock.nowMs();
    if (!isHeld) sinceMs = Number.NaN;
    else if (Number.isNaN(sinceMs)) sinceMs = nowMs;
    else assert(nowMs - sinceMs <= 5, `held for ${nowMs - sinceMs} ms`);
  };
  return { ...platform, executorsIdle };
}
