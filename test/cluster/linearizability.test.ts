import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Call, type SequentialModel, whyNotLinearizable } from './linearizability.ts';

type Input = number | 'read';

/** A register: writes answer 0. */
const register: SequentialModel<number, Input, number> = {
  initial: 0,
  step: (state, input) => (input === 'read' ? { state, output: state } : { state: input, output: 0 }),
  keyOf: String,
};

const call = (input: Input, output: number | undefined, beganAt: number, endedAt: number): Call<Input, number> => ({
  input,
  output,
  beganAt,
  endedAt,
});

for (const { what, history, isLinearizable } of [
  { what: 'calls one after the other', history: [call(1, 0, 0, 1), call('read', 1, 2, 3)], isLinearizable: true },
  { what: 'a read of an older value', history: [call(1, 0, 0, 1), call('read', 0, 2, 3)], isLinearizable: false },
  { what: 'a read during a write', history: [call(1, 0, 0, 9), call('read', 0, 1, 2), call('read', 1, 3, 4)], isLinearizable: true },
  { what: 'a value that came and went', history: [call(1, 0, 0, 9), call('read', 1, 1, 2), call('read', 0, 3, 4)], isLinearizable: false },
  {
    what: 'two writes at once, read in one order',
    history: [call(1, 0, 0, 9), call(2, 0, 0, 9), call('read', 1, 10, 11)],
    isLinearizable: true,
  },
  {
    what: 'two readers that saw two orders',
    history: [call(1, 0, 0, 5), call(2, 0, 0, 5), call('read', 1, 6, 7), call('read', 2, 8, 9), call('read', 1, 10, 11)],
    isLinearizable: false,
  },
  { what: 'a write of unknown outcome that happened', history: [call(1, undefined, 0, 1), call('read', 1, 2, 3)], isLinearizable: true },
  { what: 'a write of unknown outcome that did not', history: [call(1, undefined, 0, 1), call('read', 0, 2, 3)], isLinearizable: true },
  {
    what: 'a write of unknown outcome that happened, then did not',
    history: [call(1, undefined, 0, 1), call('read', 1, 2, 3), call('read', 0, 4, 5)],
    isLinearizable: false,
  },
]) {
  test(`${what}: ${isLinearizable ? 'linearizable' : 'not linearizable'}`, () => {
    const why = whyNotLinearizable(history, register);
    if (isLinearizable) assert.equal(why, null);
    else assert.match(why ?? '', /can be next/);
  });
}
