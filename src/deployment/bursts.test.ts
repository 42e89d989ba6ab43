import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../random.ts';
import { Bursts } from './bursts.ts';
import { nothingCounted } from './version-counts.ts';
import { faultOf } from './version-verdict.ts';

function observed(looks: number, badOfTen: (look: number) => number): Bursts {
  const bursts = new Bursts();
  for (let look = 0; look < looks; look++) bursts.add(badOfTen(look), 10);
  return bursts;
}

describe('the design effect', () => {
  for (const { when, bursts, least, most } of [
    { when: 'nothing is bad', bursts: observed(60, () => 0), least: 1, most: 1 },
    { when: 'all is bad', bursts: observed(60, () => 10), least: 1, most: 1 },
    { when: 'each look has as many bad ones', bursts: observed(60, () => 3), least: 1, most: 1 },
    { when: 'a second is bad as a whole, or not at all', bursts: observed(300, (look) => (look % 17 === 0 ? 10 : 0)), least: 9, most: 12 },
    { when: 'ten seconds are', bursts: observed(600, (look) => (look % 170 < 10 ? 10 : 0)), least: 80, most: 150 },
    { when: 'nobody came', bursts: new Bursts(), least: 1, most: 1 },
  ]) {
    test(`is ${least} to ${most} where ${when}`, () => {
      assert(bursts.designEffect >= least && bursts.designEffect <= most, `${bursts.designEffect}`);
    });
  }

  test('is about 1 of independent requests', () => {
    const random = new SeededRandom(3);
    const bursts = observed(600, () => Array.from({ length: 10 }, () => random.next()).filter((value) => value < 0.1).length);
    assert(bursts.designEffect < 2, `${bursts.designEffect}`);
  });
});

interface Load {
  readonly requestsPerSecond: number;
  /** Of the requests, in the step that is compared. */
  readonly newShare: number;
  /** The mean time that a version is in the way of something, in seconds. */
  readonly burstSeconds: number;
  /** Of all requests of either version, by bursts. */
  readonly lateShare: number;
  /** Of the new version's besides, by the second. */
  readonly slowShare: number;
}

const stepSeconds = 300;

/** The second when a version is taken back that is as good as the old one but for `slowShare`; null where it is kept. Each has its own bursts. */
function takenBackAt(seed: number, { requestsPerSecond, newShare, burstSeconds, lateShare, slowShare }: Load): number | null {
  const random = new SeededRandom(seed);
  const inBurst = lateShare / 0.9;
  const versions = [1, 2].map(() => ({ bursts: new Bursts(), isLate: random.next() < inBurst, counts: nothingCounted }));
  const [old, fresh] = versions as [(typeof versions)[0], (typeof versions)[0]];
  const changes = 1 / (burstSeconds * requestsPerSecond);
  for (let second = 1; second <= stepSeconds; second++) {
    const seconds = versions.map(() => ({ answered: 0, late: 0 }));
    for (let request = 0; request < requestsPerSecond; request++) {
      for (const version of versions) {
        const becomesOther = version.isLate ? changes : (changes * inBurst) / (1 - inBurst);
        if (random.next() < becomesOther) version.isLate = !version.isLate;
      }
      const which = random.next() < newShare ? 1 : 0;
      const of = seconds[which] as (typeof seconds)[0];
      of.answered++;
      if ((versions[which]?.isLate === true && random.next() < 0.9) || (which === 1 && random.next() < slowShare)) of.late++;
    }
    for (const [which, version] of versions.entries()) {
      const { late, answered } = seconds[which] as (typeof seconds)[0];
      version.bursts.add(late, answered);
      version.counts = { ...version.counts, late: version.counts.late + late, answered: version.counts.answered + answered };
    }
    const fault = faultOf({
      now: { models: 'm/2', counts: fresh.counts },
      before: { models: 'm/1', counts: old.counts },
      objective: { percentile: 95, latencyMs: 50 },
      lateness: { designEffect: Math.max(fresh.bursts.designEffect, old.bursts.designEffect), watchedSeconds: second },
      isOver: second === stepSeconds,
    });
    if (fault !== null) return second;
  }
  return null;
}

describe('where lateness comes in bursts', () => {
  const load = { requestsPerSecond: 50, newShare: 0.2, burstSeconds: 3, lateShare: 0.05, slowShare: 0 };
  const runs = 200;
  for (const { what, burstSeconds, lateShare, shareMost } of [
    { what: 'of a second', burstSeconds: 1, lateShare: 0.05, shareMost: 0.01 },
    { what: 'of three seconds', burstSeconds: 3, lateShare: 0.05, shareMost: 0.02 },
    { what: 'of ten seconds', burstSeconds: 10, lateShare: 0.05, shareMost: 0.04 },
    { what: 'of three seconds, twice as often as may be,', burstSeconds: 3, lateShare: 0.1, shareMost: 0.03 },
  ]) {
    test(`${what} of both alike, hardly ever is the new version taken back`, () => {
      let mistaken = 0;
      for (let seed = 1; seed <= runs; seed++) if (takenBackAt(seed, { ...load, burstSeconds, lateShare }) !== null) mistaken++;
      assert(mistaken <= shareMost * runs, `${mistaken} of ${runs}`);
    });
  }

  for (const slowShare of [0.4, 1]) {
    test(`a version of which ${100 * slowShare} % are late is taken back all the same, within its step`, () => {
      for (let seed = 1; seed <= 30; seed++) {
        assert.notEqual(takenBackAt(seed, { ...load, lateShare: 0.02, slowShare }), null, `seed ${seed}`);
      }
    });
  }
});
