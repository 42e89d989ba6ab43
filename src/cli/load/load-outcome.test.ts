import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseObjective } from '../../objective.ts';
import { outcomeOf, outcomeText } from './load-outcome.ts';

const about = { endpoint: 'digits', loop: 'open', load: 'poisson arrivals, 10/s for 10 s' } as const;
const latenciesMs = Array.from({ length: 95 }, (_, i) => i + 1);
const well = { latenciesMs, failures: [], excuses: [], elapsedMs: 10_000 };

describe('what a load has shown', () => {
  test('is the share in time, of all that was sent: what failed kept no promise', () => {
    assert.deepEqual(pick(outcomeOf(well, about, parseObjective('p95<=95ms'))), [95, 0, 1, true]);
    const failing = { ...well, failures: [['429', 6]] as const };
    assert.deepEqual(pick(outcomeOf(failing, about, parseObjective('p95<=95ms'))), [95, 6, 95 / 101, false]);
    assert.deepEqual(pick(outcomeOf(failing, about, null)), [95, 6, null, null]);
  });

  test('has nearest-rank percentiles, and none where nobody was answered', () => {
    assert.deepEqual(outcomeOf(well, about, null).latency_ms, { p50: 48, p90: 86, p95: 91, p99: 95, p999: 95, max: 95 });
    const nobody = outcomeOf({ ...well, latenciesMs: [], failures: [['broken', 3]] }, about, parseObjective('p95<=95ms'));
    assert.deepEqual([nobody.latency_ms, nobody.in_time, nobody.kept], [null, 0, false]);
  });

  test('is told with the failures by kind, most first, and what the first of each said', () => {
    const text = outcomeText(
      outcomeOf(
        {
          ...well,
          failures: [
            ['broken', 1],
            ['429', 4],
          ],
          excuses: [['429', '{"error":"too \\"many\\" wait","code":"overloaded"}']],
        },
        about,
        parseObjective('p95<=50ms'),
      ),
    );
    assert.deepEqual(text.split('\n'), [
      'endpoint  digits',
      'load      poisson arrivals, 10/s for 10 s (open loop)',
      'answered  95 of 100, 9.5/s',
      'failed    5',
      'latency   p50 48 ms, p90 86 ms, p95 91 ms, p99 95 ms, p99.9 95 ms, max 95 ms',
      'promise   p95<=50ms: not kept, 50 % in time',
      '',
      'FAILED  COUNT  THE FIRST SAYS',
      '429         4  too "many" wait',
      'broken      1  the connection ended, or none could be had',
      'latency counts from when a request was to be sent, so what waits behind slow answers is in it',
      '',
    ]);
  });
});

function pick({ answered, failed, in_time: inTime, kept }: ReturnType<typeof outcomeOf>): unknown[] {
  return [answered, failed, inTime, kept];
}
