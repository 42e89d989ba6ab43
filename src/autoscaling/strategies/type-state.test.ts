import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { large, running } from '../../../test/scaling-observations.ts';
import type { TypeObservation } from './observation.ts';
import { type TypeState, typeStatesOf } from './type-state.ts';

const minuteMs = 60_000;
const objective = { percentile: 95, latencyMs: 200 };
const slow = (type: TypeObservation): TypeObservation => ({ ...type, isFeasible: false, infeasibleBecause: 'type c5.large is slow' });

/** The minutes in which plans use the type; `observe` returns the measurements of each minute. */
function minutesUsed(count: number, observe: (minute: number, isUsed: boolean) => TypeObservation): number[] {
  let standings: readonly TypeState[] = [];
  let isUsed = true;
  const used: number[] = [];
  for (let minute = 0; minute < count; minute++) {
    const found = typeStatesOf(standings, [observe(minute, isUsed)], objective, minute * minuteMs);
    standings = JSON.parse(JSON.stringify(found.standings)) as TypeState[];
    isUsed = found.types[0]?.isFeasible === true;
    if (isUsed) used.push(minute);
  }
  return used;
}

const span = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

describe('an abandoned type', () => {
  test('without instances is retried for ten minutes each hour, because nothing measures it', () => {
    const used = minutesUsed(150, (minute) => (minute < 5 ? running(1) : slow(large)));
    assert.deepEqual(used, [...span(0, 6), ...span(67, 76), ...span(137, 146)]);
  });

  test('stays in use if its measurements are good during a retry', () => {
    const used = minutesUsed(150, (minute, isUsed) => {
      if (minute < 5) return running(1);
      return minute > 69 ? running(1) : slow(isUsed ? running(1) : large);
    });
    assert.deepEqual(used, [...span(0, 6), ...span(68, 149)]);
  });

  test('is not retried while its instances serve, or if it never met the objective', () => {
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
