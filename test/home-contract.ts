/** What each `Home` promises. Both implementations run it, against the same serving with scripted workers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { InferenceCall, InferenceOutcome } from '../src/serving/index.ts';
import { until } from './end-to-end/poll.ts';
import { openServingFixture, type ServingFixture } from './serving-fixture.ts';

type Enter = (call: InferenceCall, settle: (outcome: InferenceOutcome) => void) => () => void;

export interface OpenedHome {
  /** Enters a call for the endpoint `e`. */
  readonly enter: Enter;
  readonly close: () => Promise<void>;
}

export function homeContract(name: string, open: (fixture: ServingFixture) => Promise<OpenedHome>): void {
  /** One instance, whose runs take 10 ms and return the inputs. */
  async function opened(run: (home: Opened) => Promise<void>): Promise<void> {
    const fixture = openServingFixture({ service: [1, 2].map((b) => ({ b, p50Ms: 10, p95Ms: 10, p99Ms: 10, samples: [10], rssMiB: 1 })) });
    fixture.serve(1, { instanceCount: 1 });
    const home = await open(fixture);
    const outcomes = new Map<string, InferenceOutcome>();
    const enter = (requestId: string, rows = 1, more: Partial<InferenceCall> = {}): (() => void) => {
      const data = new Uint8Array(Float32Array.from({ length: rows }, (_, row) => row + 1).buffer);
      const call = { requestId, inputs: [{ name: 'x', datatype: 'FP32' as const, shape: [rows, 1], data }], rows };
      return home.enter({ ...call, arrivedAtMs: fixture.clock.nowMs(), ...more }, (outcome) => {
        assert(!outcomes.has(requestId), 'settled once');
        // Tensors may be overwritten after this returns.
        outcomes.set(requestId, outcome.ok ? { ok: true, result: structuredClone(outcome.result) } : outcome);
      });
    };
    const settled = (requestId: string): Promise<InferenceOutcome> =>
      until(`${requestId} is settled`, async () => {
        await fixture.pass(1);
        return outcomes.get(requestId);
      });
    try {
      await run({ ...fixture, enter, settled, outcomes });
    } finally {
      await home.close();
    }
  }

  describe(`${name} as a home`, () => {
    test('settles a call once, with its outputs and the facts of its run', () =>
      opened(async ({ ready, enter, settled, lines }) => {
        ready('i0', null);
        enter('a');
        const outcome = await settled('a');
        assert(outcome.ok, JSON.stringify(outcome));
        const { outputs, batchRows, executor, closeReason, coldStart, overflow } = outcome.result;
        assert.deepEqual([batchRows, executor, closeReason, coldStart, overflow], [1, 'instance:local.1', 'idle', false, null]);
        assert.deepEqual([outputs.length, outputs[0]?.name, outputs[0]?.datatype, outputs[0]?.shape], [1, 'y', 'FP32', [1, 1]]);
        assert.deepEqual(Buffer.from(outputs[0]?.data as Uint8Array), Buffer.from(Float32Array.of(1).buffer));
        await until('its line is written', () => lines.some(({ requestId, status }) => requestId === 'a' && status === 'ok'));
      }));

    test('answers a call with more rows than a batch as one', () =>
      opened(async ({ ready, enter, settled }) => {
        ready('i0', null);
        enter('a', 5);
        const outcome = await settled('a');
        assert(outcome.ok, JSON.stringify(outcome));
        assert((outcome.result.parts ?? 1) > 1);
        const [output] = outcome.result.outputs;
        assert.deepEqual(output?.shape, [5, 1]);
        assert.deepEqual(Buffer.from(output?.data ?? []), Buffer.from(Float32Array.of(1, 2, 3, 4, 5).buffer));
      }));

    test('never settles a cancelled call, which counts as cancelled', () =>
      opened(async ({ enter, lines, outcomes, pass }) => {
        const cancel = enter('a');
        await pass(0);
        cancel();
        await until('its line is written', () => lines.some(({ requestId, status }) => requestId === 'a' && status === 'cancelled'));
        assert.equal(outcomes.size, 0);
      }));

    test('counts the timeout of a call from its arrival', () =>
      opened(async ({ enter, settled, clock }) => {
        clock.advance(100);
        const arrivedAtMs = clock.nowMs() - 90;
        enter('a', 1, { arrivedAtMs, timeoutMs: 100 });
        const outcome = await settled('a');
        assert(!outcome.ok);
        assert.equal(outcome.error.code, 'deadline_exceeded');
        assert(clock.nowMs() - arrivedAtMs < 200, 'its time before it entered counts');
      }));

    test('passes errors on with their code, message and delay', () =>
      opened(async ({ enter, settled, outcomes }) => {
        for (let i = 0; i < 100; i++) enter(`r${i}`);
        enter('late');
        const outcome = await settled('late');
        assert(!outcome.ok);
        assert.equal(outcome.error.code, 'overloaded');
        assert.match(outcome.error.message, /queue/);
        assert((outcome.error.retryAfterMs ?? 0) > 0);
        assert.equal(outcomes.size, 1);
      }));
  });
}

interface Opened extends ServingFixture {
  readonly enter: (requestId: string, rows?: number, more?: Partial<InferenceCall>) => () => void;
  readonly settled: (requestId: string) => Promise<InferenceOutcome>;
  readonly outcomes: ReadonlyMap<string, InferenceOutcome>;
}
