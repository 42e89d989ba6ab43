/**
 * A variant with functions, alone or alongside instances, on a manual clock: functions start and run as scripted, and events are
 * recorded.
 */
import assert from 'node:assert/strict';
import { VirtualClock } from '../src/clock.ts';
import { type BilledInvocation, defaultPrices, remainingCores } from '../src/costs/index.ts';
import { type FunctionsConfig, functionsDefault } from '../src/deployment/index.ts';
import { type Profile, ServiceTable } from '../src/profiling/index.ts';
import type { ModelVersion } from '../src/registry/index.ts';
import type { PoolSettings } from '../src/serving/executor-pool.ts';
import type { FunctionPool } from '../src/serving/functions/function-pool.ts';
import type { HybridPoolOptions } from '../src/serving/overflow/hybrid-pool.ts';
import type { InferenceCall, InferenceOutcome, PendingRequest } from '../src/serving/request.ts';
import type { BatchRunResult } from '../src/serving/runners/run-requests.ts';
import { VariantPool } from '../src/serving/variant-pool.ts';

export interface FunctionPoolFixtureOptions {
  readonly settings?: Partial<Omit<PoolSettings, 'functions'>>;
  readonly functions?: Partial<FunctionsConfig>;
  /** B, or a whole rule; default: the safe setting. */
  readonly setting?: { readonly batchSizeMax: number; readonly waitMsMax?: number | null; readonly memoryMiB?: number };
  /** S(b), as profiled per environment size; null if nothing was measured. */
  readonly serviceMs?: ((rows: number, memoryMiB: number) => number) | null;
  readonly batchMax?: number;
  readonly coldMs?: number;
  /** The start time is known from the profile only. */
  readonly isColdMeasured?: boolean;
  readonly marginMsFixed?: number;
  /** Service time of an instance; if set, functions run alongside instances, which a test attaches. */
  readonly instances?: { readonly serviceMs: (rows: number) => number; readonly batchMax?: number };
  readonly overflow?: HybridPoolOptions;
  readonly overheadMs?: number;
  /** Cores shared by starts; default: starts do not affect each other. */
  readonly cores?: number | (() => number);
}

export interface Run {
  readonly worker: string;
  readonly requests: readonly string[];
  readonly atMs: number;
}

const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
} as const;
const model = { name: 'm/1', group: 'm', version: 1, signature, batchable: true, runtime: { kind: 'onnx' } } as unknown as ModelVersion;
const timings = { inMs: 0, runMs: 0, outMs: 0 };

export const answered = (requests: readonly PendingRequest[]): BatchRunResult => ({
  kind: 'done',
  outputs: requests.map(() => []),
  timings,
});

/** By default S(b) = 10 + b, batches of up to 8, a start takes 100 ms, and the objective is p95 <= 100 ms without a margin. */
export class FunctionPoolFixture {
  readonly clock = new VirtualClock();
  readonly pool: VariantPool;
  /** Each requested function. */
  readonly started: { readonly id: string; readonly memoryMiB: number; readonly atMs: number }[] = [];
  readonly stopped: string[] = [];
  readonly runs: Run[] = [];
  readonly dispatches: { readonly reason: string; readonly rows: number; readonly atMs: number }[] = [];
  readonly outcomes = new Map<string, InferenceOutcome & { readonly atMs: number }>();
  readonly invocations: BilledInvocation[] = [];
  /** How each warm function is billed. */
  readonly retained = new Map<string, 'provisioned' | 'pinged'>();
  /** Names of the provisioned ones. */
  get provisioned(): ReadonlySet<string> {
    return new Set(this.retained.keys());
  }
  noCapacity = 0;
  /** Current functions, including starting ones; `aliveMost` is the maximum. */
  alive = new Set<string>();
  aliveMost = 0;
  /** The result of a run; null: it never ends. */
  answer: (requests: readonly PendingRequest[], worker: string) => BatchRunResult | null = answered;
  /** Actual duration of a run. */
  takesMs: (rows: number, memoryMiB: number) => number;
  /** Whether a function becomes ready by itself. */
  isPrompt = true;
  refuses: Error | null = null;
  /** Reported reasons of closing the overflow; null when it opened. */
  readonly shuts: (string | null)[] = [];
  readonly restarts: string[] = [];
  /** Functions ended during a run, and why. */
  readonly hung: string[] = [];
  coldMs: number;
  /** Runs that only end with their function. */
  readonly #hanging = new Map<string, (answer: BatchRunResult) => void>();
  readonly #tables = new Map<string, ServiceTable>();
  readonly #options: FunctionPoolFixtureOptions;

  constructor(options: FunctionPoolFixtureOptions = {}) {
    this.#options = options;
    const { serviceMs = (rows: number) => 10 + rows, setting, coldMs = 100, marginMsFixed = 0, cores } = options;
    this.takesMs = serviceMs ?? ((rows) => 10 + rows);
    this.coldMs = coldMs;
    this.pool = new VariantPool({ endpoint: 'e', variant: 'AllTraffic', model }, this.settings(), {
      clock: this.clock,
      serviceTable: (executor) => this.#tableOf(executor),
      onDispatch: (reason, rows) => this.dispatches.push({ reason, rows, atMs: this.clock.nowMs() }),
      restart: (id) => this.restarts.push(id),
      onShut: (reason) => this.shuts.push(reason),
      ...(options.overflow === undefined ? {} : { overflow: options.overflow }),
      ...(options.overheadMs === undefined ? {} : { overheadMs: options.overheadMs }),
      functions: {
        prices: defaultPrices.functions,
        memoryMiBSafe: () => 2048,
        start: (memoryMiB) => this.#start(memoryMiB),
        stop: (id) => {
          this.alive.delete(id);
          this.stopped.push(id);
          const done = this.#hanging.get(id);
          if (done !== undefined) this.clock.after(0, () => done({ kind: 'gone', why: 'SIGKILL' }));
          this.#hanging.delete(id);
        },
        onInvoked: (invocation) => this.invocations.push(invocation),
        onRetained: ({ id, idle }) => (idle === null ? this.retained.delete(id) : this.retained.set(id, idle)),
        onNoCapacity: () => this.noCapacity++,
        onHung: (id, reason) => this.hung.push(`${id}: ${reason}`),
        ...(cores === undefined
          ? {}
          : { remainingCores: (types) => remainingCores(defaultPrices, types, typeof cores === 'number' ? cores : cores()) }),
        ...(options.isColdMeasured === true ? {} : { coldStartMs: coldMs }),
        ...(Number.isNaN(marginMsFixed) ? {} : { marginMsFixed }),
      },
    });
    this.pool.configure(this.settings());
    if (setting !== undefined) this.apply(setting);
  }

  get functions(): FunctionPool {
    assert(this.pool.functions !== null);
    return this.pool.functions;
  }

  settings(functions: Partial<FunctionsConfig> = {}): PoolSettings {
    return {
      objective: { percentile: 95, latencyMs: 100 },
      late: 'serve',
      timeoutMs: 60_000,
      queueRowsMax: 1000,
      ...this.#options.settings,
      functions: { ...functionsDefault, ...this.#options.functions, ...functions },
      isHybrid: this.#options.instances !== undefined,
    };
  }

  apply(setting: { readonly batchSizeMax: number; readonly waitMsMax?: number | null; readonly memoryMiB?: number }): void {
    this.functions.apply({ waitMsMax: null, memoryMiB: 2048, decisionId: 'd', ...setting });
  }

  send(requestId: string, call: Partial<InferenceCall> = {}): PendingRequest {
    return this.pool.submit({ requestId, inputs: [], rows: 1, arrivedAtMs: this.clock.nowMs(), ...call }, (outcome) => {
      assert(!this.outcomes.has(requestId), `${requestId} is answered once`);
      this.outcomes.set(requestId, { ...outcome, atMs: this.clock.nowMs() });
    });
  }

  /** Runs at this time, before other events. */
  at(atMs: number, run: () => void): void {
    this.clock.after(atMs - this.clock.nowMs(), run);
  }

  ready(id: string): void {
    const memoryMiB = this.started.find((one) => one.id === id)?.memoryMiB ?? 0;
    let isOver = false;
    this.pool.attach({
      id,
      instanceType: `function:${memoryMiB}`,
      coldStartMs: this.coldMs,
      charge: () => assert.fail('functions are billed by their invocations'),
      run: (requests, done) => {
        assert(!isOver, 'one run at a time');
        isOver = true;
        this.runs.push({ worker: id, requests: requests.map(({ call }) => call.requestId), atMs: this.clock.nowMs() });
        const outcome = this.answer(requests, id);
        if (outcome === null) return void this.#hanging.set(id, done);
        const rows = requests.reduce((sum, request) => sum + request.rows, 0);
        this.clock.after(this.takesMs(rows, memoryMiB), () => {
          isOver = false;
          done(outcome);
        });
      },
    });
  }

  /** Adds an instance that runs one batch after the other; `takesMs` is its actual duration. */
  instance(
    id: string,
    takesMs: (rows: number) => number = this.#options.instances?.serviceMs ?? (() => 10),
    instanceType = 'local.1',
  ): void {
    let freeAtMs = 0;
    this.pool.attach({
      id,
      instanceType,
      coldStartMs: 0,
      charge: () => 0,
      run: (requests, done) => {
        this.runs.push({ worker: id, requests: requests.map(({ call }) => call.requestId), atMs: this.clock.nowMs() });
        const outcome = this.answer(requests, id);
        if (outcome === null) return void this.#hanging.set(id, done);
        freeAtMs = Math.max(freeAtMs, this.clock.nowMs()) + takesMs(requests.reduce((sum, { rows }) => sum + rows, 0));
        this.clock.after(freeAtMs - this.clock.nowMs(), () => done(outcome));
      },
    });
  }

  /** Ends its process, including its current run. */
  killInstance(id: string): void {
    const done = this.#hanging.get(id);
    this.#hanging.delete(id);
    this.pool.detach(id);
    if (done !== undefined) this.clock.after(0, () => done({ kind: 'gone', why: 'SIGKILL' }));
  }

  /** The worker that last ran the request. */
  workerOf(requestId: string): string | undefined {
    return this.runs.findLast(({ requests }) => requests.includes(requestId))?.worker;
  }

  /** `ok` or the error code; undefined without an answer. */
  codeOf(requestId: string): string | undefined {
    const outcome = this.outcomes.get(requestId);
    return outcome === undefined ? undefined : outcome.ok ? 'ok' : outcome.error.code;
  }

  messageOf(requestId: string): string {
    const outcome = this.outcomes.get(requestId);
    return outcome === undefined || outcome.ok ? '' : outcome.error.message;
  }

  #start(memoryMiB: number): string {
    if (this.refuses !== null) throw this.refuses;
    const id = `f${this.started.length}`;
    this.started.push({ id, memoryMiB, atMs: this.clock.nowMs() });
    this.alive.add(id);
    this.aliveMost = Math.max(this.aliveMost, this.alive.size);
    if (this.isPrompt) this.clock.after(this.coldMs, () => this.ready(id));
    return id;
  }

  #tableOf(executor: string): ServiceTable {
    let table = this.#tables.get(executor);
    if (table === undefined) this.#tables.set(executor, (table = new ServiceTable(this.#profileOf(executor))));
    return table;
  }

  #profileOf(executor: string): Profile | null {
    const { instances } = this.#options;
    const isInstance = executor.startsWith('instance:');
    const { serviceMs = (rows: number) => 10 + rows } = isInstance ? (instances ?? {}) : this.#options;
    const { batchMax = 8 } = isInstance ? (instances ?? {}) : this.#options;
    if (serviceMs === null) return null;
    const memoryMiB = isInstance ? 0 : Number(executor.slice('function:'.length));
    const service = Array.from({ length: batchMax }, (_, i) => i + 1).map((b) => {
      const ms = serviceMs(b, memoryMiB);
      return { b, p50Ms: ms, p95Ms: ms, p99Ms: ms, samples: Array.from({ length: 200 }, () => ms), rssMiB: 0 };
    });
    return { executor, service, measuredAtMs: 0, loadMs: 300, batchMax, notes: [] };
  }
}

/** A fixture whose functions are configured first. */
export function functionPoolFixture(
  functions: FunctionPoolFixtureOptions['functions'] = {},
  options: FunctionPoolFixtureOptions = {},
): FunctionPoolFixture {
  return new FunctionPoolFixture({ functions, ...options });
}

/** No request is late, although a function takes 100 ms to start. */
export const unhurried: FunctionPoolFixtureOptions = { settings: { objective: { percentile: 95, latencyMs: 500 } } };

export const environmentsOf = (fixture: FunctionPoolFixture) => fixture.functions.view().environments;
export const nothing = { starting: 0, idle: 0, busy: 0 };
