/**
 * The batch controller of the platform over simulated functions: it looks each second, chooses memory and batch size from who came,
 * and keeps its decisions in memory. A choice takes it no simulated time.
 */
import { BatchController, chooseBatching } from '../autoscaling/index.ts';
import type { Clock } from '../clock.ts';
import type { FunctionPrices } from '../costs/index.ts';
import type { Decision, NewDecision } from '../monitoring/index.ts';
import type { FunctionProfile, ServiceTable } from '../profiling/index.ts';
import type { FunctionVariant } from '../serving/index.ts';

export interface BatchingNeeds {
  readonly clock: Clock;
  readonly variant: () => FunctionVariant;
  /** What profiles do not know of: the way there and back, and the gateway. */
  readonly besideMs: (memoryMiB: number) => number;
  readonly profiles: readonly FunctionProfile[];
  readonly tableOf: (memoryMiB: number) => ServiceTable;
  readonly prices: FunctionPrices;
  readonly onDecision: (decision: NewDecision) => void;
}

/** As a server's default. */
const periodMs = 30_000;
/** More turns than a decision has steps. */
const turns = 40;

const nobody = (): void => {};
const silent = { info: nobody, warn: nobody, error: nobody, debug: nobody, trace: nobody, fatal: nobody } as const;

export class SimulatedBatching {
  readonly #controller: BatchController;
  /** It has begun to decide since it was last waited for. */
  isDeciding = false;

  constructor({ clock, variant, besideMs, profiles, tableOf, prices, onDecision }: BatchingNeeds) {
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
        choose: async (order) => {
          const marginMs = order.marginMs + besideMs(order.inForce.memoryMiB);
          return { ...chooseBatching({ ...order, marginMs }), computeMs: 0 };
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
    this.#controller.ask('nobody'); // looks at once, and has nobody decide more often
  }

  /** Until what was begun is decided: what takes several turns of the process takes none of simulated time. */
  async decided(): Promise<void> {
    this.isDeciding = false;
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
  }
}
