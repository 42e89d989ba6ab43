/** A variant of functions, alone or beside instances, on a clock that stands still: its functions start and run as a test says, and what happens is written down. */
import assert from 'node:assert/strict';
import { VirtualClock } from '../src/clock.ts';
import { coresLeft, defaultPrices, type Invocation } from '../src/costs/index.ts';
import { type FunctionsConfig, functionsDefault } from '../src/deployment/index.ts';
import { type Profile, ServiceTable } from '../src/profiling/index.ts';
import type { ModelVersion } from '../src/registry/index.ts';
import type { Functions } from '../src/serving/functions.ts';
import type { OverflowOptions } from '../src/serving/overflow.ts';
import type { InferenceCall, Outcome, PendingRequest } from '../src/serving/request.ts';
import type { RunAnswer } from '../src/serving/run-requests.ts';
import type { PoolSettings } from '../src/serving/side.ts';
import { VariantPool } from '../src/serving/variant-pool.ts';

export interface FunctionHouseOptions {
  readonly settings?: Partial<Omit<PoolSettings, 'functions'>>;
  readonly functions?: Partial<FunctionsConfig>;
  /** B, or a whole rule; without it the safe setting holds. */
  readonly setting?: { readonly batchSizeMax: number; readonly waitMsMax?: number | null; readonly memoryMiB?: number };
  /** S(b), as profiled for each size of environment; null where nothing was measured. */
  readonly serviceMs?: ((rows: number, memoryMiB: number) => number) | null;
  readonly batchMax?: number;
  readonly coldMs?: number;
  /** What a start takes is known from the profile alone. */
  readonly isColdMeasured?: boolean;
  readonly marginMsFixed?: number;
  /** What an instance takes for a batch: with it the functions stand beside instances, which a test attaches. */
  readonly instances?: { readonly serviceMs: (rows: number) => number; readonly batchMax?: number };
  readonly overflow?: OverflowOptions;
  readonly overheadMs?: number;
  /** That starts share; without, they are in nobody's way. */
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

export const answered = (requests: readonly PendingRequest[]): RunAnswer => ({ kind: 'done', outputs: requests.map(() => []), timings });

/** By default S(b) = 10 + b, batches of up to 8, a start takes 100 ms, and the objective is p95 <= 100 ms without a margin. */
export class FunctionHouse {
  readonly clock = new VirtualClock();
  readonly pool: VariantPool;
  /** Each function that was asked for. */
  readonly started: { readonly id: string; readonly memoryMiB: number; readonly atMs: number }[] = [];
  readonly stopped: string[] = [];
  readonly runs: Run[] = [];
  readonly dispatches: { readonly reason: string; readonly rows: number; readonly atMs: number }[] = [];
  readonly outcomes = new Map<string, Outcome & { readonly atMs: number }>();
  readonly invocations: Invocation[] = [];
  /** Those kept warm, and charged for that: how. */
  readonly kept = new Map<string, 'provisioned' | 'pinged'>();
  /** The same, by their names. */
  get provisioned(): ReadonlySet<string> {
    return new Set(this.kept.keys());
  }
  deserted = 0;
  /** How many there are at once, starting ones included; and the most there were. */
  alive = new Set<string>();
  aliveMost = 0;
  /** What comes of a run; null: it never ends. */
  answer: (requests: readonly PendingRequest[], worker: string) => RunAnswer | null = answered;
  /** How long a run really takes. */
  takesMs: (rows: number, memoryMiB: number) => number;
  /** Whether a function becomes ready by itself. */
  isPrompt = true;
  refuses: Error | null = null;
  /** What was told of functions that take nothing more, and of their taking again. */
  readonly shuts: (string | null)[] = [];
  readonly restarts: string[] = [];
  /** Functions that were ended in the middle of a run, and why. */
  readonly hung: string[] = [];
  coldMs: number;
  /** Runs that do not end unless their function does. */
  readonly #hanging = new Map<string, (answer: RunAnswer) => void>();
  readonly #tables = new Map<string, ServiceTable>();
  readonly #options: FunctionHouseOptions;

  constructor(options: FunctionHouseOptions = {}) {
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
        onKept: ({ id, kept }) => (kept === null ? this.kept.delete(id) : this.kept.set(id, kept)),
        onDeserted: () => this.deserted++,
        onHung: (id, reason) => this.hung.push(`${id}: ${reason}`),
        ...(cores === undefined
          ? {}
          : { coresLeft: (types) => coresLeft(defaultPrices, types, typeof cores === 'number' ? cores : cores()) }),
        ...(options.isColdMeasured === true ? {} : { coldStartMs: coldMs }),
        ...(Number.isNaN(marginMsFixed) ? {} : { marginMsFixed }),
      },
    });
    this.pool.configure(this.settings());
    if (setting !== undefined) this.apply(setting);
  }

  get functions(): Functions {
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

  /** At this time, before whatever else happens then. */
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
      charge: () => assert.fail('functions are charged by their invocations'),
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

  /** An instance is there, which does one batch after the other; `takesMs` is what it really takes. */
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

  /** Its process ends, under what it runs as well. */
  killInstance(id: string): void {
    const done = this.#hanging.get(id);
    this.#hanging.delete(id);
    this.pool.detach(id);
    if (done !== undefined) this.clock.after(0, () => done({ kind: 'gone', why: 'SIGKILL' }));
  }

  /** Who ran the request last. */
  workerOf(requestId: string): string | undefined {
    return this.runs.findLast(({ requests }) => requests.includes(requestId))?.worker;
  }

  /** `ok` or the code of the error; undefined while there is no answer. */
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

/** A house that is told first of the functions' config. */
export function functionHouse(functions: FunctionHouseOptions['functions'] = {}, options: FunctionHouseOptions = {}): FunctionHouse {
  return new FunctionHouse({ functions, ...options });
}

/** Nobody is late, though a function takes 100 ms to start. */
export const unhurried: FunctionHouseOptions = { settings: { objective: { percentile: 95, latencyMs: 500 } } };

export const environmentsOf = (house: FunctionHouse) => house.functions.view().environments;
export const nothing = { starting: 0, idle: 0, busy: 0 };
