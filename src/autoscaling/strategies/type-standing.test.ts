import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { large, running } from '../../../test/scaling-observations.ts';
import type { TypeObservation } from './observation.ts';
import { standingsOf, type TypeStanding } from './type-standing.ts';

const minuteMs = 60_000;
const objective = { percentile: 95, latencyMs: 200 };
const slow = (type: TypeObservation): TypeObservation => ({ ...type, isFeasible: false, infeasibleBecause: 'type c5.large is slow' });

/** The minutes, of so many, in which the type is planned with; `seen` tells what is measured and runs in each. */
function minutesUsed(count: number, seen: (minute: number, isUsed: boolean) => TypeObservation): number[] {
  let standings: readonly TypeStanding[] = [];
  let isUsed = true;
  const used: number[] = [];
  for (let minute = 0; minute < count; minute++) {
    const found = standingsOf(standings, [seen(minute, isUsed)], objective, minute * minuteMs);
    standings = JSON.parse(JSON.stringify(found.standings)) as TypeStanding[];
    isUsed = found.types[0]?.isFeasible === true;
    if (isUsed) used.push(minute);
  }
  return used;
}

const span = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('a type that was given up', () => {
  test('and has no instance, so that nothing new is measured, is tried for ten minutes each hour', () => {
    const used = minutesUsed(150, (minute) => (minute < 5 ? running(1) : slow(large)));
    assert.deepEqual(used, [...span(0, 6), ...span(67, 76), ...span(137, 146)]);
  });

  test('comes back to stay where what it measures then is well', () => {
    const used = minutesUsed(150, (minute, isUsed) => {
      if (minute < 5) return running(1);
      return minute > 69 ? running(1) : slow(isUsed ? running(1) : large);
    });
    assert.deepEqual(used, [...span(0, 6), ...span(68, 149)]);
  });

  test('is not tried while instances of it serve, or where it never kept the objective', () => {
    assert.deepEqual(
      minutesUsed(200, (minute) => (minute < 5 ? running(1) : slow(running(1)))),
      span(0, 6),
    );
    assert.deepEqual(
      minutesUsed(200, () => slow(large)),
      [],
    );
  });
});
