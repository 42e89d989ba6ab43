import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SeededRandom } from '../../random.ts';
import { Bursts } from './bursts.ts';
import { zeroCounts } from './version-counts.ts';
import { versionFault } from './version-verdict.ts';

function observed(samples: number, badOfTen: (sample: number) => number): Bursts {
  const bursts = new Bursts();
  for (let sample = 0; sample < samples; sample++) bursts.add(badOfTen(sample), 10);
  return bursts;
}

describe('the design effect', () => {
  for (const { when, bursts, least, most } of [
    { when: 'no request is bad', bursts: observed(60, () => 0), least: 1, most: 1 },
    { when: 'all requests are bad', bursts: observed(60, () => 10), least: 1, most: 1 },
    { when: 'every second has the same number of bad requests', bursts: observed(60, () => 3), least: 1, most: 1 },
    { when: 'bad requests fill single seconds', bursts: observed(300, (sample) => (sample % 17 === 0 ? 10 : 0)), least: 9, most: 12 },
    {
      when: 'bad requests fill ten seconds at a time',
      bursts: observed(600, (sample) => (sample % 170 < 10 ? 10 : 0)),
      least: 80,
      most: 150,
    },
    { when: 'there are no samples', bursts: new Bursts(), least: 1, most: 1 },
  ]) {
    test(`is ${least} to ${most} if ${when}`, () => {
      assert(bursts.designEffect >= least && bursts.designEffect <= most, `${bursts.designEffect}`);
    });
  }

  test('is about 1 for independent requests', () => {
    const random = new SeededRandom(3);
    const bursts = observed(600, () => Array.from({ length: 10 }, () => random.next()).filter((value) => value < 0.1).length);
    assert(bursts.designEffect < 2, `${bursts.designEffect}`);
  });
});

interface Load {
  readonly requestsPerSecond: number;
  /** The new version's share of the requests. */
  readonly newShare: number;
  /** Mean duration of a burst of late requests, in seconds. */
  readonly burstSeconds: number;
  /** Share of late requests due to bursts, for each version. */
  readonly lateShare: number;
  /** Additional share of late requests of the new version, independent of bursts. */
  readonly slowShare: number;
}

const stepSeconds = 300;

/**
 * The second at which the new version is rolled back; null if it is not.
 * The new version differs from the old one only by `slowShare`; bursts are independent.
 */
function rolledBackAtSecond(seed: number, { requestsPerSecond, newShare, burstSeconds, lateShare, slowShare }: Load): number | null {
  const random = new SeededRandom(seed);
  const burstShare = lateShare / 0.9;
  const versions = [1, 2].map(() => ({ bursts: new Bursts(), isLate: random.next() < burstShare, counts: zeroCounts }));
  const [old, fresh] = versions as [(typeof versions)[0], (typeof versions)[0]];
  const changes = 1 / (burstSeconds * requestsPerSecond);
  for (let second = 1; second <= stepSeconds; second++) {
    const seconds = versions.map(() => ({ answered: 0, late: 0 }));
    for (let request = 0; request < requestsPerSecond; request++) {
      for (const version of versions) {
        const becomesOther = version.isLate ? changes : (changes * burstShare) / (1 - burstShare);
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
    const fault = versionFault({
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

describe('with bursts of late requests', () => {
  const load = { requestsPerSecond: 50, newShare: 0.2, burstSeconds: 3, lateShare: 0.05, slowShare: 0 };
  const runs = 200;
  for (const { what, burstSeconds, lateShare, shareMost } of [
    { what: 'one second', burstSeconds: 1, lateShare: 0.05, shareMost: 0.01 },
    { what: 'three seconds', burstSeconds: 3, lateShare: 0.05, shareMost: 0.02 },
    { what: 'ten seconds', burstSeconds: 10, lateShare: 0.05, shareMost: 0.04 },
    { what: 'three seconds and twice the allowed late share', burstSeconds: 3, lateShare: 0.1, shareMost: 0.03 },
  ]) {
    test(`of ${what} in both versions, the new version is hardly ever rolled back`, () => {
      let mistaken = 0;
      for (let seed = 1; seed <= runs; seed++) if (rolledBackAtSecond(seed, { ...load, burstSeconds, lateShare }) !== null) mistaken++;
      assert(mistaken <= shareMost * runs, `${mistaken} of ${runs}`);
    });
  }

  for (const slowShare of [0.4, 1]) {
    test(`a version with ${100 * slowShare} % late requests is still rolled back within its step`, () => {
      for (let seed = 1; seed <= 30; seed++) {
        assert.notEqual(rolledBackAtSecond(seed, { ...load, lateShare: 0.02, slowShare }), null, `seed ${seed}`);
      }
    });
  }
});
