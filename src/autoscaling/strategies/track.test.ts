import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { large, minuteMs, noLimits, observed, running } from '../../../test/scaling-observations.ts';
import { decideScaling } from '../scaling/decide-scaling.ts';
import type { Observation } from './observation.ts';
import { parsePolicy } from './policy.ts';
import { forecasterOf, horizonsOf, idleAfterMsOf, periodsOf } from './policy-facts.ts';
import { initialScalingState, restoreScalingState, type ScalingState } from './scaling-state.ts';

/** A variant without functions whose instances start at once. */
class Tracked {
  readonly policy;
  state: ScalingState = initialScalingState;
  nowMs = 0;
  arrivals = 0;
  concurrencyMs = 0;
  why = '';
  have: number;

  constructor(text: string, have = 1) {
    this.policy = parsePolicy(text);
    this.have = have;
  }

  /** Applies a load per minute or a concurrency for some minutes and returns the resulting number of instances. */
  pass(minutes: number, { perMinute = 0, atOnce = 0 }, changes: Partial<Observation> = {}): number {
    const { planMs } = periodsOf(this.policy, minuteMs);
    for (const endMs = this.nowMs + minutes * minuteMs; this.nowMs < endMs; ) {
      this.nowMs += planMs;
      this.arrivals += (perMinute * planMs) / minuteMs;
      this.concurrencyMs += atOnce * planMs;
      const { arrivals, concurrencyMs } = this;
      const seen = { types: [running(this.have)], arrivals, concurrencyMs, limits: { ...noLimits, min: 1 }, overflow: null, ...changes };
      const { state, decision } = decideScaling(this.policy, this.state, observed(seen), this.nowMs);
      this.state = JSON.parse(JSON.stringify(state)) as ScalingState;
      this.have = decision.chosen.plan['c5.large'] ?? -1;
      this.why = decision.explanation;
    }
    return this.have;
  }
}

describe('a tracked target', () => {
  test('has as many instances as the requests need and scales out within a minute', () => {
    const tracked = new Tracked('track:100');
    assert.equal(tracked.pass(1, { perMinute: 90 }), 1);
    assert.equal(tracked.pass(1, { perMinute: 450 }), 5);
    assert.match(tracked.why, /requests per instance and minute, target 100/);
    assert.equal(tracked.pass(1, { perMinute: 450 }), 5);
  });

  test('scales in only below nine tenths of the target and after the cooldown', () => {
    const tracked = new Tracked('track:100,in=10m,out=2m', 1);
    tracked.pass(3, { perMinute: 500 });
    assert.equal(tracked.pass(3, { perMinute: 455 }), 5, '91 each');
    assert.equal(tracked.pass(3, { perMinute: 320 }), 4, 'more than two minutes after the last scale-out');
    assert.equal(tracked.pass(7, { perMinute: 150 }), 4);
    assert.match(tracked.why, /cooling down/);
    assert.equal(tracked.pass(2, { perMinute: 150 }), 2);
  });

  test('never scales in if scale-in is disabled', () => {
    const tracked = new Tracked('track:100,in=never');
    tracked.pass(2, { perMinute: 300 });
    assert.equal(tracked.pass(60, { perMinute: 0 }), 3);
    assert.match(tracked.why, /never scales in/);
  });

  test('can track concurrency', () => {
    const tracked = new Tracked('track:2,metric=concurrency,in=0,out=0');
    assert.equal(tracked.pass(2, { atOnce: 7 }), 4);
    assert.equal(tracked.pass(2, { atOnce: 1 }), 1);
  });

  test('counts requests, not rows, if both are known', () => {
    const tracked = new Tracked('track:100');
    assert.equal(tracked.pass(2, { perMinute: 1000 }, { requests: 0 }), 1);
  });

  test('works without a measured type, and with types that miss the objective', () => {
    const slow = { ...large, ratePerSecond: 0, isFeasible: false, active: 1 };
    const tracked = new Tracked('track:100');
    assert.equal(tracked.pass(2, { perMinute: 300 }, { types: [slow] }), 3);
  });

  test('restarts counting when the server restarts, and keeps the cooldown', () => {
    const tracked = new Tracked('track:100,out=10m');
    tracked.pass(2, { perMinute: 300 });
    tracked.state = restoreScalingState(tracked.state);
    tracked.arrivals = 0;
    assert.equal(tracked.pass(5, { perMinute: 10 }), 3);
    assert.equal(tracked.pass(6, { perMinute: 10 }), 1);
  });
});

describe('a held number', () => {
  test('is unchanged within the limits', () => {
    const held = new Tracked('hold', 3);
    assert.equal(held.pass(5, { perMinute: 1e6 }), 3);
    assert.equal(held.pass(1, {}, { limits: { min: 4, max: 9 } }), 4);
    assert.equal(held.pass(1, {}, { limits: { min: 0, max: 2 } }), 2);
  });

  test('returns to zero only if traffic had started the instance', () => {
    const held = new Tracked('hold', 0);
    const limits = { min: 0, max: 5 };
    assert.equal(held.pass(1, {}, { limits }), 0);
    assert.equal(held.pass(1, {}, { limits: { min: 1, max: 5 } }), 1);
    assert.equal(held.pass(1, {}, { limits }), 0);
    held.have = 1;
    assert.equal(held.pass(1, {}, { limits }), 1, 'one was set manually');
  });
});

describe('combined policies', () => {
  test('use the highest number of all policies, each with separate state', () => {
    const both = new Tracked('track:100,in=never | track:2,metric=concurrency,in=0,out=0');
    assert.equal(both.pass(2, { perMinute: 300, atOnce: 1 }), 3);
    assert.equal(both.pass(2, { perMinute: 0, atOnce: 10 }), 5);
    assert.equal(both.pass(2, { perMinute: 0, atOnce: 0 }), 5, 'the first never scales in');
    both.state = restoreScalingState(both.state);
    assert.equal(both.pass(2, { perMinute: 0, atOnce: 14 }), 7);
  });

  test('decide as often as the most frequent policy, with a forecast if any policy uses one', () => {
    const policy = parsePolicy('economic | track:100');
    assert.deepEqual(periodsOf(policy, minuteMs), { planMs: 10_000, fastMs: 15_000 });
    assert.equal(forecasterOf(policy), 'rls-windows');
    assert(horizonsOf(policy, 60_000, minuteMs).length > 0);
  });

  for (const [text, message] of [
    ['track', /expected a target after the colon, such as track:700/],
    ['track:0', /above 0/],
    ['track:7,metric=cpu', /invocations or concurrency, got 'cpu'/],
    ['hold:3', /hold takes no number/],
    ['economic | ', /unknown policy ''/],
    [Array.from({ length: 11 }, () => 'hold').join('|'), /at most 10 can be combined, got 11/],
  ] as const) {
    test(`are rejected if one policy is invalid: ${text.slice(0, 30)}`, () => assert.throws(() => parsePolicy(text), message));
  }
});

test('if zero is allowed, the last instance is removed after the longest cooldown, unless the number is set manually', () => {
  const after = (text: string) => idleAfterMsOf(parsePolicy(text));
  assert.deepEqual(['economic', 'track:1,in=0', 'track:1,in=20m | hpa:70'].map(after), [300_000, 60_000, 1_200_000]);
  assert.deepEqual(['hold', 'static:2', 'track:1 | hold', 'track:1,in=never'].map(after), [null, null, null, null]);
});
