import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { EventLoop, eventKind } from './event-loop.ts';

function run(loop: EventLoop): void {
  while (loop.nextMs < Number.POSITIVE_INFINITY) loop.step();
}

describe('the event loop', () => {
  test('at equal times runs timers, then ticks, then completions; equal kinds in order of creation', () => {
    const loop = new EventLoop(0);
    const seen: string[] = [];
    loop.at(5, eventKind.completion, () => seen.push('completion'));
    loop.at(5, eventKind.tick, () => seen.push('tick'));
    loop.after(5, () => seen.push('timer 1'));
    loop.after(5, () => seen.push('timer 2'));
    run(loop);
    assert.deepEqual(seen, ['timer 1', 'timer 2', 'tick', 'completion']);
    assert.equal(loop.nowMs(), 5);
  });

  test('runs each event once in order of time, cancelled ones never', () => {
    const events = fc.array(
      fc.record({ atMs: fc.integer({ min: 0, max: 20 }), kind: fc.constantFrom(1, 2, 3), isCancelled: fc.boolean() }),
    );
    fc.assert(
      fc.property(events, (provided) => {
        const loop = new EventLoop(0);
        const seen: number[] = [];
        for (const [i, { atMs, kind, isCancelled }] of provided.entries()) {
          const cancel = loop.at(atMs, kind, () => seen.push(i));
          if (isCancelled) cancel();
        }
        run(loop);
        const wanted = [...provided.keys()].filter((i) => provided[i]?.isCancelled === false);
        const key = (i: number): number => (provided[i]?.atMs ?? 0) * 10 + (provided[i]?.kind ?? 0);
        assert.deepEqual(
          seen,
          wanted.toSorted((a, b) => key(a) - key(b) || a - b),
        );
      }),
    );
  });

  test('runs overdue events immediately', () => {
    const loop = new EventLoop(1000);
    loop.moveTo(50);
    const seen: number[] = [];
    loop.at(10, eventKind.timer, () => seen.push(loop.nowMs()));
    loop.after(-3, () => seen.push(loop.wallMs()));
    run(loop);
    assert.deepEqual(seen, [50, 1050]);
  });
});
