import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reachability } from './away.ts';

function fixture() {
  const state = { nowMs: 1000, timers: new Set<{ readonly atMs: number; readonly run: () => void }>() };
  const reachability = new Reachability({
    nowMs: () => state.nowMs,
    after: (ms, run) => {
      const timer = { atMs: state.nowMs + ms, run };
      state.timers.add(timer);
      return () => state.timers.delete(timer);
    },
  });
  const pass = (ms: number): void => {
    state.nowMs += ms;
    for (const timer of [...state.timers].filter(({ atMs }) => atMs <= state.nowMs)) {
      state.timers.delete(timer);
      timer.run();
    }
  };
  const published: (number | null)[] = [];
  reachability.subscribe(() => published.push(reachability.awaySinceMs()));
  return { reachability, pass, published };
}

test('is away two seconds after the first failure, since its last response, until it responds again', () => {
  const { reachability, pass, published } = fixture();
  pass(500);
  reachability.responded();
  pass(1000);
  reachability.failed();
  pass(1000);
  reachability.failed();
  assert.equal(reachability.awaySinceMs(), null);
  pass(1000);
  assert.equal(reachability.awaySinceMs(), 1500);
  reachability.failed();
  reachability.responded();
  assert.equal(reachability.awaySinceMs(), null);
  assert.deepEqual(published, [1500, null]);
});

test('ignores a failure that a response follows at once', () => {
  const { reachability, pass, published } = fixture();
  reachability.failed();
  pass(1500);
  reachability.responded();
  pass(5000);
  assert.deepEqual(published, []);
});
