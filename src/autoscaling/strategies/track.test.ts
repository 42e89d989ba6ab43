import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { large, minuteMs, noLimits, observed, running } from '../../../test/scaling-observations.ts';
import { decideScaling } from '../decide-scaling.ts';
import type { Observation } from './observation.ts';
import { parsePolicy } from './policy.ts';
import { forecasterOf, horizonsOf, periodsOf, restAfterMsOf } from './policy-facts.ts';
import { restoreScalingState, type ScalingState, scalingBegin } from './scaling-state.ts';

/** A variant whose instances come as soon as they are wished for, without functions. */
class Tracked {
  readonly policy;
  state: ScalingState = scalingBegin;
  nowMs = 0;
  arrivals = 0;
  concurrencyMs = 0;
  why = '';
  have: number;

  constructor(text: string, have = 1) {
    this.policy = parsePolicy(text);
    this.have = have;
  }

  /** Under so many requests a minute, or so many at once, for so many minutes; how many there are then. */
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

describe('a target that is tracked', () => {
  test('has as many instances as its requests need, more within the minute', () => {
    const tracked = new Tracked('track:100');
    assert.equal(tracked.pass(1, { perMinute: 90 }), 1);
    assert.equal(tracked.pass(1, { perMinute: 450 }), 5);
    assert.match(tracked.why, /requests per instance and minute, target 100/);
    assert.equal(tracked.pass(1, { perMinute: 450 }), 5);
  });

  test('has fewer only below nine tenths of it, and when it has cooled down', () => {
    const tracked = new Tracked('track:100,in=10m,out=2m', 1);
    tracked.pass(3, { perMinute: 500 });
    assert.equal(tracked.pass(3, { perMinute: 455 }), 5, '91 each');
    assert.equal(tracked.pass(3, { perMinute: 320 }), 4, 'more than two minutes after the last more');
    assert.equal(tracked.pass(7, { perMinute: 150 }), 4);
    assert.match(tracked.why, /cooling down/);
    assert.equal(tracked.pass(2, { perMinute: 150 }), 2);
  });

  test('never has fewer where that is not wanted', () => {
    const tracked = new Tracked('track:100,in=never');
    tracked.pass(2, { perMinute: 300 });
    assert.equal(tracked.pass(60, { perMinute: 0 }), 3);
    assert.match(tracked.why, /never fewer/);
  });

  test('may count requests at once', () => {
    const tracked = new Tracked('track:2,metric=concurrency,in=0,out=0');
    assert.equal(tracked.pass(2, { atOnce: 7 }), 4);
    assert.equal(tracked.pass(2, { atOnce: 1 }), 1);
  });

  test('counts requests and not rows where both are known', () => {
    const tracked = new Tracked('track:100');
    assert.equal(tracked.pass(2, { perMinute: 1000 }, { requests: 0 }), 1);
  });

  test('needs no measured type, and none that keeps the objective', () => {
    const slow = { ...large, ratePerSecond: 0, isFeasible: false, active: 1 };
    const tracked = new Tracked('track:100');
    assert.equal(tracked.pass(2, { perMinute: 300 }, { types: [slow] }), 3);
  });

  test('begins to count anew with a server, and keeps its cool down', () => {
    const tracked = new Tracked('track:100,out=10m');
    tracked.pass(2, { perMinute: 300 });
    tracked.state = restoreScalingState(tracked.state);
    tracked.arrivals = 0;
    assert.equal(tracked.pass(5, { perMinute: 10 }), 3);
    assert.equal(tracked.pass(6, { perMinute: 10 }), 1);
  });
});

describe('a number that is held', () => {
  test('stays, within the limits', () => {
    const held = new Tracked('hold', 3);
    assert.equal(held.pass(5, { perMinute: 1e6 }), 3);
    assert.equal(held.pass(1, {}, { limits: { min: 4, max: 9 } }), 4);
    assert.equal(held.pass(1, {}, { limits: { min: 0, max: 2 } }), 2);
  });

  test('is none again after one was woken, and only then', () => {
    const held = new Tracked('hold', 0);
    const limits = { min: 0, max: 5 };
    assert.equal(held.pass(1, {}, { limits }), 0);
    assert.equal(held.pass(1, {}, { limits: { min: 1, max: 5 } }), 1);
    assert.equal(held.pass(1, {}, { limits }), 0);
    held.have = 1;
    assert.equal(held.pass(1, {}, { limits }), 1, 'somebody said one');
  });
});

describe('policies that stand together', () => {
  test('want the most that any of them wants, each with a memory of its own', () => {
    const both = new Tracked('track:100,in=never | track:2,metric=concurrency,in=0,out=0');
    assert.equal(both.pass(2, { perMinute: 300, atOnce: 1 }), 3);
    assert.equal(both.pass(2, { perMinute: 0, atOnce: 10 }), 5);
    assert.equal(both.pass(2, { perMinute: 0, atOnce: 0 }), 5, 'the first never wants fewer than there are');
    both.state = restoreScalingState(both.state);
    assert.equal(both.pass(2, { perMinute: 0, atOnce: 14 }), 7);
  });

  test('are asked as often as the most eager, and foreseen for where one of them looks ahead', () => {
    const policy = parsePolicy('economic | track:100');
    assert.deepEqual(periodsOf(policy, minuteMs), { planMs: 10_000, fastMs: 15_000 });
    assert.equal(forecasterOf(policy), 'rls-ar');
    assert(horizonsOf(policy, 60_000, minuteMs).length > 0);
  });

  for (const [text, message] of [
    ['track', /expected a target behind the colon, such as track:700/],
    ['track:0', /above 0/],
    ['track:7,metric=cpu', /invocations or concurrency, got 'cpu'/],
    ['hold:3', /hold takes no number/],
    ['economic | ', /unknown policy ''/],
    [Array.from({ length: 11 }, () => 'hold').join('|'), /at most 10 may stand together, got 11/],
  ] as const) {
    test(`are refused where one is none: ${text.slice(0, 30)}`, () => assert.throws(() => parsePolicy(text), message));
  }
});

test('where there may be none, the last goes after the longest cool down, unless somebody says how many', () => {
  const after = (text: string) => restAfterMsOf(parsePolicy(text));
  assert.deepEqual(['economic', 'track:1,in=0', 'track:1,in=20m | hpa:70'].map(after), [300_000, 60_000, 1_200_000]);
  assert.deepEqual(['hold', 'static:2', 'track:1 | hold', 'track:1,in=never'].map(after), [null, null, null, null]);
});
