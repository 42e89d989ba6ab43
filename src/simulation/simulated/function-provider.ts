/**
 * A simulated provider of functions. An environment has a cold start, runs one batch at a time and is billed by the millisecond.
 */
import { functionUsd } from '../../costs/index.ts';
import type { ServiceTable } from '../../profiling/index.ts';
import type { Random } from '../../random.ts';
import type { VariantPool, VariantPoolDeps } from '../../serving/index.ts';
import type { Measures } from '../report/measures.ts';
import type { EventLoop } from './event-loop.ts';
import { SimulatedExecutor } from './executors.ts';
import { functionOf, type SimulatedProfile } from './profile.ts';
import { SimulatedServiceLaw } from './service-law.ts';

/** What the provider shares with the simulation. */
export interface FunctionProviderDeps {
  readonly loop: EventLoop;
  /** A getter, because the pool requests its first environments while it is being constructed. */
  readonly pool: () => VariantPool;
  readonly measures: Measures;
  readonly profile: SimulatedProfile;
  readonly random: Random;
  readonly memoryMiB: number;
  /** Gateway time per response, in milliseconds; 0 unless the batch controller learns from latencies that include it. */
  readonly gatewayMs: number;
}

type IdleEnvironment = Parameters<NonNullable<VariantPoolDeps['functions']>['onRetained']>[0];

interface Size {
  readonly coldMs: number;
  readonly networkMs: number;
  readonly law: SimulatedServiceLaw;
  /** Time of a batch until its response reaches the client, including network and gateway. */
  readonly thereAndBack: ServiceTable;
}

/** Stands in for deployment: it starts and ends environments for the function pool. */
export class FunctionProvider {
  readonly #deps: FunctionProviderDeps;
  readonly #sizes = new Map<number, Size>();
  /** Environments that are starting, by id, with the function that cancels the start. */
  readonly #starting = new Map<string, () => void>();
  /** Environments that pings keep warm; their start is not billed as an invocation. */
  readonly #warm = new Set<string>();
  #started = 0;

  constructor(deps: FunctionProviderDeps) {
    this.#deps = deps;
  }

  /** The size's profile. Throws `invalid_request` if the profile file has none. */
  sizeOf(memoryMiB: number): Size {
    let size = this.#sizes.get(memoryMiB);
    if (size === undefined) {
      const { coldMs, networkMs, service } = functionOf(this.#deps.profile, memoryMiB);
      const more = (ms: number): number => ms + networkMs + this.#deps.gatewayMs;
      const back = service.map(({ b, p50Ms, p95Ms, p99Ms }) => ({ b, p50Ms: more(p50Ms), p95Ms: more(p95Ms), p99Ms: more(p99Ms) }));
      size = { coldMs, networkMs, law: new SimulatedServiceLaw(service), thereAndBack: new SimulatedServiceLaw(back).table };
      this.#sizes.set(memoryMiB, size);
    }
    return size;
  }

  /** The function options of the simulated pool. */
  get poolDeps(): NonNullable<VariantPoolDeps['functions']> {
    const { profile, memoryMiB } = this.#deps;
    return {
      prices: profile.functionPrices,
      memoryMiBSafe: () => memoryMiB,
      start: (size) => this.#start(size),
      stop: (id) => this.#stop(id),
      onInvoked: () => {},
      onRetained: (environment) => this.#idle(environment),
      onNoCapacity: () => {},
      coldStartMs: this.sizeOf(memoryMiB).coldMs,
    };
  }

  /** Handles an environment that became idle. If it was started for pings, its start is billed as the first ping. */
  #idle({ id, idle, memoryMiB, invocations, coldStartMs }: IdleEnvironment): void {
    if (idle === null) return void this.#warm.delete(id);
    const { measures, profile } = this.#deps;
    if (idle === 'pinged' && invocations === 0 && !this.#warm.has(id))
      measures.functionsCost(functionUsd(profile.functionPrices, memoryMiB, coldStartMs));
    this.#warm.add(id);
  }

  #start(memoryMiB: number): string {
    const { loop, pool } = this.#deps;
    const id = `f${this.#started++}`;
    const { coldMs } = this.sizeOf(memoryMiB);
    const cancel = loop.after(coldMs, () => {
      this.#starting.delete(id);
      pool().attach({
        id,
        instanceType: `function:${memoryMiB}`,
        coldStartMs: coldMs,
        run: this.#executor(id, memoryMiB).run,
        charge: () => 0, // the pool bills functions by their invocations
      });
    });
    this.#starting.set(id, cancel);
    return id;
  }

  #stop(id: string): void {
    this.#starting.get(id)?.();
    this.#starting.delete(id);
    this.#warm.delete(id);
  }

  /** Bills each run; the first run includes the cold start. Network time is not billed. */
  #executor(id: string, memoryMiB: number): SimulatedExecutor {
    const { loop, random, measures, profile, gatewayMs } = this.#deps;
    const { coldMs, networkMs, law } = this.sizeOf(memoryMiB);
    let isFirst = true;
    return new SimulatedExecutor(loop, (rows) => {
      const ms = law.drawMs(random, rows);
      const isCold = isFirst && !this.#warm.has(id);
      isFirst = false;
      measures.invoked(rows, functionUsd(profile.functionPrices, memoryMiB, ms + (isCold ? coldMs : 0)), isCold);
      return ms + networkMs + gatewayMs;
    });
  }
}
