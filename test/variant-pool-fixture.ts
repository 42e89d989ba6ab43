/** A pool of one variant on a virtual clock, with scripted workers. */
import assert from 'node:assert/strict';
import { VirtualClock } from '../src/clock.ts';
import { type Profile, ServiceTable } from '../src/profiling/index.ts';
import type { ModelVersion } from '../src/registry/index.ts';
import type { PoolSettings } from '../src/serving/executor-pool.ts';
import type { InferenceOutcome, PendingRequest } from '../src/serving/request.ts';
import type { BatchRunResult, RunRequests } from '../src/serving/runners/run-requests.ts';
import { VariantPool } from '../src/serving/variant-pool.ts';

export const settings: PoolSettings = { objective: null, late: 'serve', timeoutMs: 60_000, queueRowsMax: 1000, functions: null };
const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
} as const;
const model = { name: 'm/1', group: 'm', version: 1, signature, batchable: true, runtime: { kind: 'onnx' } } as unknown as ModelVersion;
export const timings = { inMs: 0, runMs: 1, outMs: 0 };

export type ServiceMs = (rows: number) => number;

/** A pool on a virtual clock. By default, workers take 10 ms + 1 ms per row, one batch at a time. */
export function poolOf({
  serviceMs = (rows) => 10 + rows,
  ...options
}: Partial<PoolSettings> & { batchSizeMax?: number; serviceMs?: ServiceMs } = {}) {
  const clock = new VirtualClock();
  const profile: Profile = {
    executor: 'instance:local.1',
    service: [1, 4, 8]
      .filter((b) => b <= (options.batchSizeMax ?? 8))
      .map((b) => ({ b, ms: serviceMs(b) }))
      .map(({ b, ms }) => ({ b, p50Ms: ms, p95Ms: ms, p99Ms: ms, samples: Array.from({ length: 200 }, () => ms), rssMiB: 0 })),
    measuredAtMs: 0,
    loadMs: 0,
    batchMax: options.batchSizeMax ?? 8,
    notes: [],
  };
  const table = new ServiceTable(profile);
  const dispatches: { reason: string; rows: number }[] = [];
  const restarts: string[] = [];
  const losses: [worker: string, runAgain: number, failed: number][] = [];
  const pool = new VariantPool(
    { endpoint: 'e', variant: 'AllTraffic', model },
    { ...settings, ...options },
    {
      clock,
      serviceTable: () => table,
      onDispatch: (reason, rows) => dispatches.push({ reason, rows }),
      restart: (id) => restarts.push(id),
      onWorkerLost: (id, { runAgain, failed }) => losses.push([id, runAgain, failed]),
    },
  );
  return { clock, pool, dispatches, restarts, losses, ...workers(clock, pool, serviceMs) };
}

function workers(clock: VirtualClock, pool: VariantPool, serviceMs: ServiceMs) {
  const batches: string[][] = [];
  const answerAll = (requests: readonly PendingRequest[]): BatchRunResult => ({ kind: 'done', outputs: requests.map(() => []), timings });
  const attach = (id: string, answer: (requests: readonly PendingRequest[]) => BatchRunResult | null = answerAll): void => {
    let freeAtMs = 0;
    const run: RunRequests = (requests, done) => {
      batches.push(requests.map(({ call }) => call.requestId));
      const outcome = answer(requests);
      // Sequentially, like a worker.
      freeAtMs = Math.max(freeAtMs, clock.nowMs()) + serviceMs(requests.reduce((sum, { rows }) => sum + rows, 0));
      if (outcome !== null) clock.after(freeAtMs - clock.nowMs(), () => done(outcome));
    };
    pool.attach({ id, instanceType: 'local.1', coldStartMs: 0, charge: (ms) => ms / 1000, run });
  };
  const outcomes = new Map<string, InferenceOutcome>();
  const send = (requestId: string, call: { rows?: number; timeoutMs?: number; priority?: number } = {}): PendingRequest =>
    pool.submit({ requestId, inputs: [], rows: 1, arrivedAtMs: clock.nowMs(), ...call }, (outcome) => {
      assert(!outcomes.has(requestId), 'answered once');
      outcomes.set(requestId, outcome);
    });
  const codeOf = (requestId: string): string | undefined => {
    const outcome = outcomes.get(requestId);
    return outcome === undefined ? undefined : outcome.ok ? 'ok' : outcome.error.code;
  };
  return { batches, attach, outcomes, send, codeOf };
}
