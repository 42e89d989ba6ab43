import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../../random.ts';
import { type VersionCounts, zeroCounts } from './version-counts.ts';
import { evidence, versionFault } from './version-verdict.ts';

const objective = { percentile: 95, latencyMs: 50 };
const counts = (some: Partial<VersionCounts>): VersionCounts => ({ ...zeroCounts, ...some });
const steady = { designEffect: 1, watchedSeconds: 30 };
const judge = (now: Partial<VersionCounts>, before: Partial<VersionCounts> | null, isOver = false, lateness = steady): string | null =>
  versionFault({
    now: { models: 'm/2', counts: counts(now) },
    before: before === null ? null : { models: 'm/1', counts: counts(before) },
    objective,
    lateness,
    isOver,
  });

const good = { answered: 1646, late: 3 };
for (const { when, now, before, isOver = false, lateness = steady, says } of [
  {
    when: 'more requests are late than allowed',
    now: { answered: 412, late: 157 },
    before: good,
    says: '38 % of the 412 requests of m/2 were later than 50 ms (5 % allowed); m/1: 0.2 %',
  },
  {
    when: 'more requests are late than allowed, but in bursts of a hundred',
    now: { answered: 412, late: 157 },
    before: good,
    lateness: { designEffect: 100, watchedSeconds: 30 },
    says: null,
  },
  {
    when: 'all are late, but for less than thirty seconds',
    now: { answered: 290, late: 290 },
    before: good,
    lateness: { designEffect: 1, watchedSeconds: 29 },
    says: null,
  },
  {
    when: 'all are late for less than thirty seconds, and the step is over',
    now: { answered: 40, late: 40 },
    before: good,
    lateness: { designEffect: 1, watchedSeconds: 20 },
    isOver: true,
    says: '100 % of the 40 requests of m/2 were later than 50 ms (5 % allowed); m/1: 0.2 %',
  },
  {
    when: 'all fail for a second',
    now: { failed: 40 },
    before: good,
    lateness: { designEffect: 1, watchedSeconds: 1 },
    says: '100 % of the 40 requests of m/2 failed (1 % allowed); m/1: 0 %',
  },
  { when: 'both versions are equally late', now: { answered: 412, late: 157 }, before: { answered: 1646, late: 610 }, says: null },
  { when: 'as many requests are late as allowed', now: { answered: 412, late: 20 }, before: good, says: null },
  {
    when: 'it rejects requests that the old version accepts',
    now: { refused: 40, answered: 10 },
    before: good,
    says: '80 % of the 50 requests of m/2 were rejected as invalid (HTTP 400) (1 % allowed); m/1: 0 %',
  },
  {
    when: 'it is overloaded and the old version is not',
    now: { refused: 40, overloaded: 40 },
    before: good,
    says: '100 % of the 40 requests of m/2 were rejected for overload (HTTP 429) (1 % allowed); m/1: 0 %',
  },
  {
    when: 'it is overloaded, without a baseline',
    now: { refused: 40, overloaded: 40 },
    before: null,
    says: '100 % of the 40 requests of m/2 were rejected for overload (HTTP 429) (5 % allowed)',
  },
  {
    when: 'it is overloaded, and the old version had invalid requests',
    now: { refused: 40, overloaded: 40 },
    before: { refused: 160, answered: 40 },
    says: '100 % of the 40 requests of m/2 were rejected for overload (HTTP 429) (1 % allowed); m/1: 0 %',
  },
  { when: 'both are overloaded', now: { refused: 40, overloaded: 40 }, before: { refused: 160, overloaded: 160 }, says: null },
  { when: 'both have invalid requests', now: { refused: 40, answered: 10 }, before: { refused: 160, answered: 40 }, says: null },
  { when: 'it rejects requests, without a baseline', now: { refused: 40, answered: 10 }, before: null, says: null },
  {
    when: 'it fails, without a baseline',
    now: { failed: 40 },
    before: null,
    says: '100 % of the 40 requests of m/2 failed (5 % allowed)',
  },
  { when: 'it fails, but has few requests', now: { failed: 9 }, before: good, says: null },
  {
    when: 'all of a few requests failed, and the step is over',
    now: { failed: 9 },
    before: good,
    isOver: true,
    says: '100 % of the 9 requests of m/2 failed (1 % allowed); m/1: 0 %',
  },
  { when: 'one of a few requests failed, and the step is over', now: { failed: 1, answered: 8 }, before: good, isOver: true, says: null },
  { when: 'there were no requests', now: {}, before: good, isOver: true, says: null },
]) {
  test(`if ${when}, ${says === null ? 'reports no fault' : 'reports the fault'}`, () =>
    assert.equal(judge(now, before, isOver, lateness), says));
}

describe('the evidence', () => {
  test('raises a false alarm for at most one in a thousand versions at the limit, even if checked after each request', () => {
    const random = new SeededRandom(7);
    let mistaken = 0;
    for (let run = 0; run < 4000; run++) {
      let bad = 0;
      for (let all = 1; all <= 300; all++) {
        if (random.next() < 0.05) bad++;
        if (evidence(bad, all, 0.05) >= 1000) {
          mistaken++;
          break;
        }
      }
    }
    assert(mistaken <= 8, `${mistaken} of 4000, expected about 4 at most`);
  });

  test('grows with each additional bad request', () => {
    fc.assert(
      fc.property(fc.nat(2000), fc.nat(2000), fc.double({ min: 0.001, max: 0.9, noNaN: true }), (one, other, allowed) => {
        const bad = Math.min(one, other);
        assert(evidence(bad + 1, Math.max(one, other) + 1, allowed) >= evidence(bad, Math.max(one, other) + 1, allowed));
      }),
    );
  });
});
