/**
 * The platform's batch controller for simulated functions. It polls each second, chooses memory and batch size from recent
 * arrivals, and stores its decisions in memory. A decision takes no simulated time.
 */
import { BatchController, chooseBatching } from '../../autoscaling/index.ts';
import type { Clock } from '../../clock.ts';
import type { FunctionPrices } from '../../costs/index.ts';
import type { FunctionProfile, ServiceTable } from '../../profiling/index.ts';
import type { Decision, NewDecision } from '../../records/index.ts';
import type { FunctionVariant } from '../../serving/index.ts';

/** What the controller observes and decides about. */
export interface SimulatedBatchingDeps {
  readonly clock: Clock;
  readonly variant: () => FunctionVariant;
  /** Time that profiles exclude: the network in both directions and the gateway. */
  readonly extraMs: (memoryMiB: number) => number;
  readonly profiles: readonly FunctionProfile[];
  readonly tableOf: (memoryMiB: number) => ServiceTable;
  readonly prices: FunctionPrices;
  readonly onDecision: (decision: NewDecision) => void;
}

/** Decision period; the server's default. */
const periodMs = 30_000;
/** Event loop turns to wait for a decision; more than a decision needs. */
const turns = 40;

const ignore = (): void => {};
const silent = { info: ignore, warn: ignore, error: ignore, debug: ignore, trace: ignore, fatal: ignore } as const;

/** The controller is asynchronous: the simulation waits while `isDeciding`, in which no simulated time passes. */
export class SimulatedBatching {
  readonly #controller: BatchController;
  /** True if a decision has started since the last call of `decided`. */
  isDeciding = false;

  constructor({ clock, variant, extraMs, profiles, tableOf, prices, onDecision }: SimulatedBatchingDeps) {
    let made = 0;
    let latest: Decision | null = null;
    this.#controller = new BatchController({
      clock,
      log: silent as never,
      events: { recordAndPublish: () => Promise.resolve() as never },
      decisions: {
        latest: async () => {
          this.isDeciding = true;
          return latest;
        },
        fillEffect: async () => undefined,
        record: async (decision) => {
          onDecision(decision);
          latest = { ...decision, id: `d${made++}`, atMs: clock.wallMs(), effect: null };
          return latest;
        },
      },
      chooser: {
        choose: async (request) => {
          const marginMs = request.marginMs + extraMs(request.inForce.memoryMiB);
          return { ...chooseBatching({ ...request, marginMs }), computeMs: 0 };
        },
      },
      variants: () => [variant()],
      profilesOf: async () => {
        this.isDeciding = true;
        return profiles;
      },
      tableOf: (_version, memoryMiB) => tableOf(memoryMiB),
      prices,
      periodMs,
    });
  }

  open(): void {
    this.#controller.open();
    this.#controller.requestDecision('none'); // polls at once; no endpoint has this name, so no extra decision is made
  }

  /** Waits for decisions in progress. Takes several turns of the real event loop, but no simulated time. */
  async decided(): Promise<void> {
    this.isDeciding = false;
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
  }
}
