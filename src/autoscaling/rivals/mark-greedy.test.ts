import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { flat, minuteMs, observed, running } from '../../../test/scaling-observations.ts';
import { decideScaling } from '../scaling/decide-scaling.ts';
import { parsePolicy } from '../strategies/policy.ts';
import { initialScalingState, type ScalingState } from '../strategies/scaling-state.ts';
import { type MarkType, markGreedyPlan } from './mark-greedy.ts';

const types = (small = 0, large = 0): MarkType[] => [
  { name: 'S', perMinute: 100, usdPerSecond: 1e-4, running: small },
  { name: 'L', perMinute: 800, usdPerSecond: 4e-4, running: large },
];
const times = (count: number, value: number): number[] => new Array<number>(count).fill(value);

describe("MArk's greedy planner", () => {
  for (const { when, perMinute, small, wanted, launch } of [
    { when: 'a steady load', perMinute: times(50, 900), small: 0, wanted: { S: 1, L: 1 }, launch: { S: 1, L: 1 } },
    {
      when: 'a load that is over in two minutes',
      perMinute: [900, 900, ...times(48, 100)],
      small: 0,
      wanted: { S: 1, L: 1 },
      launch: { S: 1, L: 1 },
    },
    {
      when: 'a short bump above the running capacity',
      perMinute: [100, 250, 250, 100, 100, ...times(45, 90)],
      small: 1,
      wanted: { S: 3, L: 0 },
      launch: { S: 2, L: 0 },
    },
    {
      when: 'a flood after the next six minutes',
      perMinute: [...times(6, 100), ...times(44, 5000)],
      small: 3,
      wanted: { S: 0, L: 1 },
      launch: { S: 0, L: 1 },
    },
    { when: 'no traffic', perMinute: times(50, 0), small: 2, wanted: { S: 0, L: 0 }, launch: { S: 0, L: 0 } },
  ]) {
    test(`for ${when} wants ${wanted.S} small and ${wanted.L} large`, () => {
      assert.deepEqual(markGreedyPlan(perMinute, types(small)), { wanted, launch });
    });
  }

  test('covers the next six minutes and starts no instance that is already running', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3000), { minLength: 50, maxLength: 50 }), fc.nat(9), fc.nat(4), (perMinute, small, large) => {
        const { wanted, launch } = markGreedyPlan(perMinute, types(small, large));
        const capacity = (wanted.S ?? 0) * 100 + (wanted.L ?? 0) * 800;
        assert(perMinute.slice(0, 6).every((count) => count <= capacity));
        assert((wanted.S ?? 0) - (launch.S ?? 0) <= small && (wanted.L ?? 0) - (launch.L ?? 0) <= large);
      }),
    );
  });
});

describe('strategy mark-greedy', () => {
  test('keeps an instance for six plans after it was last needed', () => {
    const policy = parsePolicy('mark-greedy');
    let state: ScalingState = initialScalingState;
    const planned: (number | undefined)[] = [];
    for (let minute = 0; minute < 9; minute++) {
      const observation = observed({
        forecast: flat(minute === 0 ? 4000 : 800),
        types: [running(minute === 0 ? 0 : (planned.at(-1) ?? 0))],
      });
      const { state: next, decision } = decideScaling(policy, state, observation, minute * minuteMs);
      planned.push(decision.chosen.plan['c5.large']);
      state = next;
    }
    assert.deepEqual(planned, [5, 5, 5, 5, 5, 5, 1, 1, 1]);
  });

  test('plans for a fifth more requests with safety 1.2', () => {
    const wantedWith = (text: string) =>
      decideScaling(parsePolicy(text), initialScalingState, observed({ forecast: flat(4000) }), 0).decision.chosen.plan;
    assert.deepEqual([wantedWith('mark-greedy'), wantedWith('mark-greedy:1.2')], [{ 'c5.large': 5 }, { 'c5.large': 6 }]);
  });
});
