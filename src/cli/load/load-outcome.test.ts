import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseObjective } from '../../objective.ts';
import { formatLoadOutcome, outcomeOf, processorShares } from './load-outcome.ts';

const about = {
  endpoint: 'digits',
  loop: 'open',
  load: 'poisson arrivals, 10/s for 10 s',
  forMs: 10_000,
  connections: 64,
  processors: null,
} as const;
const latenciesMs = Array.from({ length: 95 }, (_, i) => i + 1);
const well = {
  latenciesMs,
  serviceMs: latenciesMs,
  slowest: { request: 'r-95', serviceMs: 95 },
  sending: { waitsMs: latenciesMs.map(() => 0), lateMs: 0, lastSentMs: 9_990 },
  failures: [],
  excuses: [],
  refusal: null,
  elapsedMs: 10_000,
  interrupted: false,
};

describe('the outcome of a load', () => {
  test('counts failed requests as late in the share within the objective', () => {
    assert.deepEqual(pick(outcomeOf(well, about, parseObjective('p95<=95ms'))), [95, 0, 1, true]);
    const failing = { ...well, failures: [['429', 6]] as const };
    assert.deepEqual(pick(outcomeOf(failing, about, parseObjective('p95<=95ms'))), [95, 6, 95 / 101, false]);
    assert.deepEqual(pick(outcomeOf(failing, about, null)), [95, 6, null, null]);
  });

  test('meets the objective with exactly the required share in time', () => {
    for (const [percentile, requests, late] of [
      [57, 100, 43],
      [58, 100, 42],
      [99.9, 1000, 1],
      [99.95, 2000, 1],
    ] as const) {
      const load = { ...well, latenciesMs: Array.from({ length: requests }, (_, i) => (i < late ? 9 : 1)) };
      const one = { ...load, latenciesMs: load.latenciesMs.with(late, 9) };
      const met = [load, one].map((each) => outcomeOf(each, about, parseObjective(`p${percentile}<=5ms`)).kept);
      assert.deepEqual(met, [true, false], `p${percentile}`);
    }
  });

  test('has nearest-rank percentiles, and none without a response', () => {
    assert.deepEqual(outcomeOf(well, about, null).latency_ms, { p50: 48, p90: 86, p95: 91, p99: 95, p999: 95, max: 95 });
    const unanswered = outcomeOf({ ...well, latenciesMs: [], failures: [['broken', 3]] }, about, parseObjective('p95<=95ms'));
    assert.deepEqual([unanswered.latency_ms, unanswered.in_time, unanswered.kept], [null, 0, false]);
  });

  test('connects a missed objective with a busy machine', () => {
    const textOf = (used: number, objective: string): string =>
      formatLoadOutcome(outcomeOf(well, { ...about, processors: { used, others: 0.41 } }, parseObjective(objective)));
    const remark =
      /^the server's machine was busy: 97 % of its processors were used, 41 % by others than the server, such as this load generator/m;
    assert.match(textOf(0.97, 'p95<=50ms'), remark);
    for (const text of [textOf(0.97, 'p95<=95ms'), textOf(0.5, 'p95<=50ms'), formatLoadOutcome(outcomeOf(well, about, null))]) {
      assert.doesNotMatch(text, /machine was busy/);
    }
  });

  test('computes the use of processors between two readings', () => {
    const shares = processorShares({ used: 100, available: 1000, own: 50 }, { used: 900, available: 2000, own: 450 });
    assert.deepEqual(shares, { used: 0.8, others: 0.4 });
    assert.equal(processorShares(null, null), null);
    assert.equal(processorShares({ used: 1, available: 1, own: 1 }, { used: 1, available: 1, own: 1 }), null);
  });

  test('prints the failures by kind, most frequent first, with the first message of each', () => {
    const text = formatLoadOutcome(
      outcomeOf(
        {
          ...well,
          failures: [
            ['broken', 1],
            ['429', 4],
          ],
          excuses: [['429', '{"error":"too \\"many\\" wait","code":"overloaded","hint":"ask later"}']],
        },
        about,
        parseObjective('p95<=50ms'),
      ),
    );
    assert.deepEqual(text.split('\n'), [
      'endpoint   digits',
      'load       poisson arrivals, 10/s for 10 s (open loop)',
      'answered   95 of 100, 9.5/s over 10 s',
      'sent       9.5/s over 10 s, of 10/s offered',
      'failed     5',
      'latency    p50 48 ms, p90 86 ms, p95 91 ms, p99 95 ms, p99.9 95 ms, max 95 ms',
      'of which   before sending p50 0 ms, p95 0 ms; after sending p50 48 ms, p95 91 ms',
      'slowest    95 ms after sending; see penstock why r-95',
      'objective  p95<=50ms: missed, 50 % in time',
      '',
      'FAILED  COUNT  FIRST MESSAGE',
      '429         4  too "many" wait; ask later',
      'broken      1  the connection failed',
      'latency is measured from the scheduled send time, so it includes waiting behind slow responses',
      '',
    ]);
  });

  test('names the connections or the generator if they were the limit', () => {
    const waiting = { ...well, serviceMs: latenciesMs.map(() => 20), failures: [['not_sent', 5]] as const };
    const waitsMs = latenciesMs.map(() => 400);
    const busy = outcomeOf({ ...waiting, sending: { waitsMs, lateMs: 100, lastSentMs: 19_000 } }, about, parseObjective('p95<=50ms'));
    assert.deepEqual([busy.offered_per_second, busy.sent_per_second, busy.limited_by], [10, 5, 'connections']);
    assert.deepEqual(
      [busy.send_wait_ms, busy.service_ms],
      [
        { p50: 400, p95: 400 },
        { p50: 20, p95: 20 },
      ],
    );
    assert.match(
      formatLoadOutcome(busy),
      /\nthe rate was not reached \(5\/s of 10\/s\): all 64 connections were busy.*--connections, lower --rate/,
    );
    const late = outcomeOf({ ...well, sending: { waitsMs, lateMs: 400 * 95, lastSentMs: 9_000 } }, about, null);
    assert.equal(late.limited_by, 'generator');
    assert.match(
      formatLoadOutcome(late),
      /\nmuch of the latency is waiting before sending: the load generator itself was late\. Lower --rate/,
    );
    assert.equal(outcomeOf(well, about, null).limited_by, null);
  });

  test('computes rates over the duration, even if the last arrival was earlier', () => {
    const early = outcomeOf({ ...well, elapsedMs: 9_700 }, about, null);
    assert.deepEqual(
      [early.answered_per_second, early.sent_per_second, early.answered_over_ms, early.sent_over_ms],
      [9.5, 9.5, 10_000, 10_000],
    );
    const late = outcomeOf({ ...well, elapsedMs: 19_000 }, about, null);
    assert.deepEqual([late.answered_per_second, late.sent_per_second, late.answered_over_ms, late.sent_over_ms], [5, 9.5, 19_000, 10_000]);
    assert.match(formatLoadOutcome(late), /^answered +95 of 95, 5\/s over 19 s\nsent +9\.5\/s over 10 s, of 9\.5\/s offered$/m);
  });

  test('says that the load was interrupted', () => {
    const outcome = outcomeOf({ ...well, interrupted: true, elapsedMs: 5_000 }, about, null);
    assert.deepEqual([outcome.interrupted, outcome.offered_per_second], [true, 19]);
    assert.match(formatLoadOutcome(outcome), /\ninterrupted: these are the results until then\n/);
  });
});

function pick({ answered, failed, in_time: inTime, kept }: ReturnType<typeof outcomeOf>): unknown[] {
  return [answered, failed, inTime, kept];
}
