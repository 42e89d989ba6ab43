import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { EndpointView } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
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
  };
  const reviews: string[][] = [];
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
      list: async () => [{ inputs: { profiles: state.considered.map((model) => ({ model })), leftOut: [] } } as unknown as Decision],
    },
    answers: {
      answered: async (_set, versions) => new Set(versions.map(({ name }) => name).filter((name) => state.answered.includes(name))),
    },
    review: async (...of) => {
      reviews.push(of);
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
