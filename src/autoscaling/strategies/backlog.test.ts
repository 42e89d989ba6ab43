import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { noLimits, observed, running } from '../../../test/scaling-observations.ts';
import { decideScaling } from '../scaling/decide-scaling.ts';
import type { BacklogMemory } from './backlog.ts';
import type { BacklogObservation } from './observation.ts';
import { parsePolicy } from './policy.ts';
import { initialScalingState } from './scaling-state.ts';

const idle: BacklogObservation = { requests: 0, oldestMs: 0, objectiveMs: 60_000, workMs: 6000, concurrency: 2 };
const nowMs = 1_000_000;

interface Situation {
  readonly more?: Partial<BacklogObservation>;
  readonly have?: number;
  readonly min?: number;
  readonly max?: number;
  /** Numbers of instances needed in the last minute, by seconds ago. */
  readonly needed?: Readonly<Record<number, number>>;
}

function decided({ more = {}, have = 0, min = 0, max = 8, needed = {} }: Situation) {
  const recent = Object.entries(needed).map(([ago, instances]) => ({ atMs: nowMs - 1000 * Number(ago), instances }));
  const memories = { backlog: { needed: recent } satisfies BacklogMemory };
  const known = observed({ types: [running(have)], overflow: null, limits: { ...noLimits, min, max }, backlog: { ...idle, ...more } });
  const { decision, state } = decideScaling(parsePolicy('backlog'), { ...initialScalingState, memories }, known, nowMs);
  const { plan } = decision.chosen;
  return { instances: plan['c5.large'] ?? -1, explanation: decision.explanation, memory: state.memories.backlog?.needed ?? [] };
}

for (const { when, situation, instances, why } of [
  { when: 'the queue is empty', situation: {}, instances: 0, why: /^kept no instance: no requests$/ },
  {
    when: 'the first request arrives',
    situation: { more: { requests: 1, workMs: null } },
    instances: 1,
    why: /^grew to 1 × c5\.large: 1 request, the oldest 0\.0 s old: one instance processes 8 in the remaining 60 s/,
  },
  {
    when: 'one instance would be too slow',
    situation: { more: { requests: 50 }, have: 1 },
    instances: 3,
    why: /50 requests, the oldest 0\.0 s old: one instance processes 20 in the remaining 60 s/,
  },
  {
    when: 'the oldest request has used half of its time',
    situation: { more: { requests: 50, oldestMs: 30_000 }, have: 3 },
    instances: 5,
    why: /50 requests, the oldest 30 s old: one instance processes 10 in the remaining 30 s/,
  },
  {
    when: 'the oldest request is overdue and the maximum is reached',
    situation: { more: { requests: 50, oldestMs: 300_000 }, have: 8 },
    instances: 8,
    why: /one instance processes 2 in the remaining 6\.0 s; the maximum allows no more/,
  },
  {
    when: 'a burst has just ended',
    situation: { have: 3, needed: { 9: 3, 8: 1, 1: 0 } },
    instances: 3,
    why: /no requests, but some arrived/,
  },
  {
    when: 'a burst ended long ago',
    situation: { have: 3, needed: { 61: 3, 1: 0 } },
    instances: 0,
    why: /^removed 3 × c5\.large.*no requests/,
  },
  { when: 'the minimum is 1', situation: { min: 1 }, instances: 1, why: /no requests; the minimum allows no fewer/ },
] as const) {
  test(`${when}: decides on ${instances} and gives the reason`, () => {
    const made = decided(situation);
    assert.equal(made.instances, instances);
    assert.match(made.explanation, why);
  });
}

test('remembers the needs of the last minute, and holds the number while no backlog is known', () => {
  assert.deepEqual(decided({ more: { requests: 50 }, needed: { 61: 9, 59: 4 } }).memory, [
    { atMs: nowMs - 59_000, instances: 4 },
    { atMs: nowMs, instances: 3 },
  ]);
  const known = observed({ types: [running(3)], overflow: null, limits: noLimits });
  assert.deepEqual(decideScaling(parsePolicy('backlog'), initialScalingState, known, nowMs).decision.chosen.plan, { 'c5.large': 3 });
});

test('stays within its limits, never scales to zero with a backlog, and never decreases for a larger one', () => {
  const natural = fc.nat({ max: 100_000 });
  const any = fc.record({
    more: fc.record({
      requests: natural,
      oldestMs: natural,
      objectiveMs: fc.integer({ min: 1, max: 3_600_000 }),
      workMs: fc.option(natural),
      concurrency: fc.integer({ min: 1, max: 256 }),
    }),
    have: fc.nat({ max: 64 }),
    min: fc.nat({ max: 4 }),
    max: fc.integer({ min: 4, max: 64 }),
    needed: fc.dictionary(fc.integer({ min: 0, max: 90 }).map(String), fc.nat({ max: 64 }), { maxKeys: 5 }),
  });
  fc.assert(
    fc.property(any, fc.nat({ max: 1000 }), (each, increase) => {
      const { instances } = decided(each);
      assert(instances >= each.min && instances <= each.max);
      assert(each.more.requests === 0 || instances >= 1);
      assert(decided({ ...each, more: { ...each.more, requests: each.more.requests + increase } }).instances >= instances);
      assert(decided({ ...each, more: { ...each.more, oldestMs: each.more.oldestMs + increase } }).instances >= instances);
    }),
  );
});
