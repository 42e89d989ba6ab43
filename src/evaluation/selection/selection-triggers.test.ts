import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { defaultPrices } from '../../costs/index.ts';
import type { EndpointView } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Profile } from '../../profiling/index.ts';
import type { Decision } from '../../records/index.ts';
import type { ModelVersion } from '../../registry/index.ts';
import { SelectionTriggers } from './selection-triggers.ts';

function fixture() {
  const clock = new VirtualClock();
  const state = {
    /** What each candidate stands for now; an empty name: nothing approved. */
    versions: { a: 'a/1', 'b/1': 'b/1' } as Record<string, string>,
    answered: ['a/1', 'b/1'],
    considered: ['a/1', 'b/1'],
    held: undefined as unknown,
    fails: false,
    /** Of the last decision. */
    decidedAtMs: clock.wallMs(),
    pricedAt: 100,
    price: 0.0425,
    measuredAtMs: 5,
    rowsPerMinute: 0,
  };
  const reviews: unknown[][] = [];
  const failures: unknown[] = [];
  const triggers = new SelectionTriggers({
    clock,
    deployments: {
      list: () => {
        const selection = {
          request: { candidates: ['a', 'b/1'], set: 'holdout' },
          ...(state.held === undefined ? {} : { held: state.held }),
        };
        const config = { name: 'digits', variants: [{ ladder: { selection } }] };
        return [{ config, status: 'InService', rollout: null } as unknown as EndpointView];
      },
    },
    registry: {
      resolve: async (name) => {
        const found = state.versions[name] ?? '';
        if (found === '') throw new PlatformError('wrong_state', `group ${name} has no Approved version`);
        return { name: found, approval: 'Approved' } as ModelVersion;
      },
    },
    decisions: {
      list: async () => {
        const inputs = {
          profiles: state.considered.map((model) => ({ model, measuredAtMs: 5 })),
          leftOut: [],
          instanceType: 'local.1',
          ratePerSecond: state.pricedAt,
          price: { asOf: '2026-10-01', usdPerInstanceHour: 0.0425 },
        };
        return [{ atMs: state.decidedAtMs, inputs } as unknown as Decision];
      },
    },
    profiles: { get: async () => ({ measuredAtMs: state.measuredAtMs }) as Profile },
    prices: {
      ...defaultPrices,
      get instances() {
        return { 'local.1': { vcpu: 1, memoryMiB: 1024, usdPerHour: state.price } };
      },
    },
    store: {
      columns: async ({ fromMs, toMs }) => {
        const minutes = Array.from({ length: (toMs - fromMs) / 60_000 }, (_, i) => fromMs + i * 60_000);
        return { Rows: minutes.map((atMs) => ({ atMs, sum: state.rowsPerMinute })) } as never;
      },
    },
    answers: {
      answered: async (_set, versions) => new Set(versions.map(({ name }) => name).filter((name) => state.answered.includes(name))),
    },
    review: async (endpoint, trigger, by, ratePerSecond) => {
      reviews.push(ratePerSecond === undefined ? [endpoint, trigger, by] : [endpoint, trigger, by, ratePerSecond]);
      if (state.fails) throw new PlatformError('wrong_state', 'nothing is certified');
      state.considered = Object.values(state.versions).filter((name) => state.answered.includes(name));
    },
    onFailure: (_endpoint, error) => failures.push(error),
  });
  return { clock, state, triggers, reviews, failures };
}

test('a new approved version is considered once it has answered the set', async () => {
  const { state, triggers, reviews } = fixture();
  await triggers.look();
  state.versions['a'] = 'a/2';
  state.considered = ['b/1'];
  await triggers.look();
  assert.deepEqual(reviews, [], 'it has not answered the set yet');
  state.answered.push('a/2');
  await triggers.look();
  assert.deepEqual(reviews, [['digits', 'version', 'penstock']]);
  await triggers.look();
  assert.equal(reviews.length, 1);
});

test('a candidate that is no longer approved is left out', async () => {
  const { state, triggers, reviews } = fixture();
  state.versions['b/1'] = '';
  await triggers.look();
  assert.equal(reviews.length, 1);
});

test('a selection that is held is not chosen again', async () => {
  const { state, triggers, reviews } = fixture();
  state.held = { cause: 'escalation' };
  state.versions['b/1'] = '';
  await triggers.look();
  assert.deepEqual(reviews, []);
});

test('a review that fails is tried again after ten minutes', async () => {
  const { clock, state, triggers, reviews, failures } = fixture();
  state.fails = true;
  state.versions['b/1'] = '';
  for (let minute = 0; minute < 12; minute++) {
    await triggers.look();
    clock.advance(60_000);
  }
  assert.deepEqual([reviews.length, failures.length], [2, 2]);
});

for (const { trigger, when, change, rate } of [
  { trigger: 'prices', when: 'an instance has another price', change: { price: 0.05 }, rate: undefined },
  { trigger: 'profile', when: 'a candidate was measured again', change: { measuredAtMs: 6 }, rate: undefined },
  { trigger: 'rate', when: 'the load doubled', change: { rowsPerMinute: 12_000 }, rate: 200 },
  { trigger: 'rate', when: 'the load fell to a half', change: { rowsPerMinute: 3000 }, rate: 50 },
  { trigger: 'period', when: 'ten minutes have passed', change: { rowsPerMinute: 6600 }, rate: 110 },
]) {
  test(`plans are chosen again when ${when} (${trigger}), ten minutes after the last decision`, async () => {
    const { clock, state, triggers, reviews } = fixture();
    Object.assign(state, change);
    for (let minute = 0; minute < 10; minute++) {
      await triggers.look();
      clock.advance(60_000);
    }
    assert.deepEqual(reviews, []);
    await triggers.look();
    assert.deepEqual(reviews, [['digits', trigger, 'penstock', ...(rate === undefined ? [] : [rate])]]);
    clock.advance(60_000);
    await triggers.look();
    assert.equal(reviews.length, 1);
  });
}

test('without traffic and without another cause, nothing is chosen again', async () => {
  const { clock, triggers, reviews } = fixture();
  for (let minute = 0; minute < 60; minute++) {
    clock.advance(60_000);
    await triggers.look();
  }
  assert.deepEqual(reviews, []);
});

test('a regular review does not delay one that has a cause', async () => {
  const { clock, state, triggers, reviews } = fixture();
  state.rowsPerMinute = 6000;
  clock.advance(600_000);
  await triggers.look();
  clock.advance(60_000);
  state.rowsPerMinute = 60_000;
  await triggers.look();
  assert.deepEqual(
    reviews.map(([, trigger]) => trigger),
    ['period', 'rate'],
  );
});
