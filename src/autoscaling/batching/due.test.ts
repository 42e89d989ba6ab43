import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dueTrigger, type SinceLastDecision } from './due.ts';

const quiet: SinceLastDecision = {
  nowMs: 100_000,
  decidedAtMs: 90_000,
  isReconfigured: false,
  isProfiled: false,
  hasAlarm: false,
  isRequested: false,
  lastArrivalMs: 99_000,
  arrivals: 5000,
  arrivalsThen: 4000,
  periodMs: 30_000,
};

for (const { when, since, due } of [
  { when: 'the period is not over', since: {}, due: null },
  { when: 'the period is over', since: { nowMs: 120_000 }, due: 'period' },
  { when: 'the period is over without traffic', since: { nowMs: 1e9, lastArrivalMs: 90_000 }, due: null },
  { when: 'there never was traffic', since: { nowMs: 1e9, lastArrivalMs: null, arrivals: 0, arrivalsThen: 0 }, due: null },
  { when: 'there was no decision yet and no traffic', since: { decidedAtMs: null, lastArrivalMs: null, arrivals: 0 }, due: 'deploy' },
  { when: 'the endpoint was reconfigured', since: { isReconfigured: true, lastArrivalMs: null }, due: 'deploy' },
  { when: 'service times were measured', since: { isProfiled: true }, due: 'profile' },
  { when: 'the arrivals have changed', since: { hasAlarm: true, arrivals: 20 }, due: 'change-point' },
  { when: 'the arrivals change again and again', since: { hasAlarm: true, decidedAtMs: 96_000 }, due: null },
  { when: 'enough arrivals are known just after the last decision', since: { arrivalsThen: 1, decidedAtMs: 96_000 }, due: null },
  { when: 'a decision is requested manually', since: { isRequested: true, lastArrivalMs: null }, due: 'manual' },
  { when: 'enough arrivals are known at last', since: { arrivalsThen: 12, arrivals: 300 }, due: 'period' },
  { when: 'too few arrivals are known', since: { arrivalsThen: 12, arrivals: 299 }, due: null },
  { when: 'several things happened', since: { isProfiled: true, hasAlarm: true, nowMs: 1e9 }, due: 'profile' },
] as const) {
  test(`${when}: ${due ?? 'nothing'} is due`, () => {
    assert.equal(dueTrigger({ ...quiet, ...since }), due);
  });
}

test('after a clock jump only one period ends, and one arrival causes one decision', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1e9), { minLength: 1 }), fc.nat(1e9), (jumps, lastArrivalMs) => {
      let nowMs = 0;
      let decidedAtMs: number | null = null;
      let made = 0;
      for (const jump of jumps) {
        nowMs += jump;
        const arrived = lastArrivalMs <= nowMs ? lastArrivalMs : null;
        if (dueTrigger({ ...quiet, nowMs, decidedAtMs, lastArrivalMs: arrived }) === null) continue;
        decidedAtMs = nowMs;
        made++;
      }
      assert(made <= 2, 'once at deployment, once for the arrival');
    }),
  );
});
