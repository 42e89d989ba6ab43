/** A provider of functions: an environment comes after its cold start, runs one batch at a time and is billed by the millisecond. */
import { functionUsd } from '../costs/index.ts';
import type { ServiceTable } from '../profiling/index.ts';
import type { Random } from '../random.ts';
import type { PoolNeighbours, VariantPool } from '../serving/index.ts';
import type { EventLoop } from './event-loop.ts';
import { SimulatedExecutor } from './executors.ts';
import type { Measures } from './measures.ts';
import { functionOf, type SimulatedProfile } from './profile.ts';
import { ServiceLaw } from './service-law.ts';

export interface FunctionProviderNeeds {
  readonly loop: EventLoop;
  /** The pool asks for its first environments while it is being built. */
  readonly pool: () => VariantPool;
  readonly measures: Measures;
  readonly profile: SimulatedProfile;
  readonly random: Random;
  readonly memoryMiB: number;
  /** What the gateway takes of each answer, where that is to be learnt from the answers as well. */
  readonly gatewayMs: number;
}

type KeptEnvironment = Parameters<NonNullable<PoolNeighbours['functions']>['onKept']>[0];

interface Size {
  readonly coldMs: number;
  readonly networkMs: number;
  readonly law: ServiceLaw;
  /** What a batch takes until its answer is with the client: the network and the gateway included. */
  readonly thereAndBack: ServiceTable;
}

export class FunctionProvider {
  readonly #needs: FunctionProviderNeeds;
  readonly #sizes = new Map<number, Size>();
  /** Environments that are starting, with what ends that. */
  readonly #starting = new Map<string, () => void>();
  /** Those that are kept warm: their start is not billed. */
  readonly #warm = new Set<string>();
  #started = 0;

  constructor(needs: FunctionProviderNeeds) {
    this.#needs = needs;
  }

  /** Throws `invalid_request` for a size that the profile does not have. */
  sizeOf(memoryMiB: number): Size {
    let size = this.#sizes.get(memoryMiB);
    if (size === undefined) {
      const { coldMs, networkMs, service } = functionOf(this.#needs.profile, memoryMiB);
      const more = (ms: number): number => ms + networkMs + this.#needs.gatewayMs;
      const back = service.map(({ b, p50Ms, p95Ms, p99Ms }) => ({ b, p50Ms: more(p50Ms), p95Ms: more(p95Ms), p99Ms: more(p99Ms) }));
      size = { coldMs, networkMs, law: new ServiceLaw(service), thereAndBack: new ServiceLaw(back).table };
      this.#sizes.set(memoryMiB, size);
    }
    return size;
  }

  /** What the pool has of it. */
  get neighbours(): NonNullable<PoolNeighbours['functions']> {
    const { profile, memoryMiB } = this.#needs;
    return {
      prices: profile.functionPrices,
      memoryMiBSafe: () => memoryMiB,
      start: (size) => this.#start(size),
      stop: (id) => this.#stop(id),
      onInvoked: () => {},
      onKept: (environment) => this.#kept(environment),
      onDeserted: () => {},
      coldStartMs: this.sizeOf(memoryMiB).coldMs,
    };
  }

  /** One that is started for being pinged is billed for its start, which is its first ping. */
  #kept({ id, kept, memoryMiB, invocations, coldStartMs }: KeptEnvironment): void {
    if (kept === null) return void this.#warm.delete(id);
    const { measures, profile } = this.#needs;
    if (kept === 'pinged' && invocations === 0 && !this.#warm.has(id))
      measures.functionsCost(functionUsd(profile.functionPrices, memoryMiB, coldStartMs));
    this.#warm.add(id);
  }

  #start(memoryMiB: number): string {
    const { loop, pool } = this.#needs;
    const id = `f${this.#started++}`;
    const { coldMs } = this.sizeOf(memoryMiB);
    const cancel = loop.after(coldMs, () => {
      this.#starting.delete(id);
      pool().attach({
        id,
        instanceType: `function:${memoryMiB}`,
        coldStartMs: coldMs,
        run: this.#executor(id, memoryMiB).run,
        charge: () => 0, // the pool charges functions by their invocations
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

  /** Billed for its runs, the first with its start; the network is the client's time, not the function's. */
  #executor(id: string, memoryMiB: number): SimulatedExecutor {
    const { loop, random, measures, profile, gatewayMs } = this.#needs;
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
