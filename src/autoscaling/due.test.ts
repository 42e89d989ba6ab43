import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dueFor, type SinceLastDecision } from './due.ts';

const quiet: SinceLastDecision = {
  nowMs: 100_000,
  decidedAtMs: 90_000,
  isReconfigured: false,
  isProfiled: false,
  hasAlarm: false,
  isAsked: false,
  lastArrivalMs: 99_000,
  arrivals: 5000,
  arrivalsThen: 4000,
  periodMs: 30_000,
};

for (const { when, since, due } of [
  { when: 'the period is not over', since: {}, due: null },
  { when: 'the period is over', since: { nowMs: 120_000 }, due: 'period' },
  { when: 'the period is over and nobody came in it', since: { nowMs: 1e9, lastArrivalMs: 90_000 }, due: null },
  { when: 'nobody ever came', since: { nowMs: 1e9, lastArrivalMs: null, arrivals: 0, arrivalsThen: 0 }, due: null },
  { when: 'it was never decided, though nobody came', since: { decidedAtMs: null, lastArrivalMs: null, arrivals: 0 }, due: 'deploy' },
  { when: 'the endpoint was configured anew', since: { isReconfigured: true, lastArrivalMs: null }, due: 'deploy' },
  { when: 'service times were measured', since: { isProfiled: true }, due: 'profile' },
  { when: 'the arrivals have changed', since: { hasAlarm: true, arrivals: 20 }, due: 'change-point' },
  { when: 'the arrivals change again and again', since: { hasAlarm: true, decidedAtMs: 96_000 }, due: null },
  { when: 'enough arrivals are known, just after the last decision', since: { arrivalsThen: 1, decidedAtMs: 96_000 }, due: null },
  { when: 'somebody asks', since: { isAsked: true, lastArrivalMs: null }, due: 'manual' },
  { when: 'enough arrivals are known at last', since: { arrivalsThen: 12, arrivals: 300 }, due: 'period' },
  { when: 'still too few are', since: { arrivalsThen: 12, arrivals: 299 }, due: null },
  { when: 'several things happened', since: { isProfiled: true, hasAlarm: true, nowMs: 1e9 }, due: 'profile' },
] as const) {
  test(`${when}: ${due ?? 'nothing'} is due`, () => {
    assert.equal(dueFor({ ...quiet, ...since }), due);
  });
}

test('the clock may jump: a period ends once, and nothing is due twice for one arrival', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1e9), { minLength: 1 }), fc.nat(1e9), (jumps, lastArrivalMs) => {
      let nowMs = 0;
      let decidedAtMs: number | null = null;
      let made = 0;
      for (const jump of jumps) {
        nowMs += jump;
        const arrived = lastArrivalMs <= nowMs ? lastArrivalMs : null;
        if (dueFor({ ...quiet, nowMs, decidedAtMs, lastArrivalMs: arrived }) === null) continue;
        decidedAtMs = nowMs;
        made++;
      }
      assert(made <= 2, 'once at the deploy, once for the arrival');
    }),
  );
});
