/** A scaling variant in a simulated environment, on a manual clock: records the decisions and messages of its controller. */
import type { ScalingEffect } from '../src/autoscaling/scaling/decide-effect.ts';
import type { ObservedInstance, ScaledVariant } from '../src/autoscaling/scaling/scaled-variant.ts';
import { ScalingController } from '../src/autoscaling/scaling/scaling-controller.ts';
import { VirtualClock } from '../src/clock.ts';
import type { Decision, NewDecision, NewEvent } from '../src/records/index.ts';
import { noTraffic, type OverflowPlan, type TrafficCounts } from '../src/serving/index.ts';

export const config = { policy: 'economic,hold=1', instancesMin: 1, instancesMax: 5, usdPerHourMax: null };
/** 10 rows/s at a cent per hour: functions are far more expensive. */
export const type = { name: 'local.1', usdPerHour: 0.01, batchSize: 1, ratePerSecond: 10, usdPerRequest: 1e-6, isFeasible: true };
export const overflow = { usdPerRequest: 1e-3 };

/** A clock that can be set back. */
class SetClock extends VirtualClock {
  #backMs = 0;

  override wallMs(): number {
    return super.wallMs() - this.#backMs;
  }

  setBack(ms: number): void {
    this.#backMs += ms;
  }
}

/** A world that follows decisions: instances start three seconds after the request, and rows arrive at a rate. */
export class World {
  readonly clock: SetClock;
  readonly made: NewDecision[] = [];
  readonly effects = new Map<string, ScalingEffect>();
  readonly stored = new Map<string, string>();
  readonly warnings: string[] = [];
  readonly abandoned: string[] = [];
  readonly events: NewEvent[] = [];
  /** The last plan for functions. */
  readonly plans = new Map<string, OverflowPlan>();
  ratePerSecond = 0;
  /** Overrides of the observed variant. */
  provided: Partial<ScaledVariant> = {};
  wanted = 1;
  isServed = true;
  startTrouble: string | null = null;
  leaving: readonly string[] = [];
  instances: ObservedInstance[] = [];
  controller: ScalingController;
  #arrived = 0;
  #started = 0;

  constructor(startMs?: number) {
    this.clock = new SetClock(startMs);
    this.controller = this.newController();
    this.#obey();
    this.controller.open();
  }

  get traffic(): TrafficCounts {
    const requests = Math.floor(this.#arrived);
    return { ...noTraffic, requestsArrived: requests, rowsArrived: requests, requests };
  }

  get reported(): string[] {
    return this.made.map(({ explanation }) => explanation);
  }

  newController(): ScalingController {
    const noted = (_: unknown, message: string): void => void this.warnings.push(message);
    return new ScalingController({
      clock: this.clock,
      log: { warn: noted, info: () => undefined } as never,
      leadMinMs: 0,
      decisions: {
        record: (decision) => this.#record(decision),
        fillEffect: async ({ id, effect }) => void this.effects.set(id, effect as ScalingEffect),
        abandonEffects: async (kind, why) => void this.abandoned.push(`${kind}: ${why}`),
      },
      events: {
        recordAndPublish: async (event) => {
          this.events.push(event);
          return { ...event, seq: 1, id: 'e', atMs: 0 };
        },
      },
      follow: (endpoint, variant, plan) => void this.plans.set(`${endpoint}/${variant}`, plan),
      states: {
        read: async (...names) => JSON.parse(this.stored.get(names.join('/')) ?? 'null') as unknown,
        write: async (endpoint, variant, state) => void this.stored.set(`${endpoint}/${variant}`, JSON.stringify(state)),
      },
      variants: () => (this.isServed ? [this.variant()] : []),
      carryOut: async ({ before, count, leaving, record }) => {
        if (before !== this.wanted) return null;
        this.wanted = count;
        this.leaving = leaving;
        this.#obey();
        return this.#record(record);
      },
    });
  }

  /** Another server with the same state, after this one was killed. */
  kill(): void {
    this.clock.advance(0);
    this.controller = this.newController();
    this.controller.open();
  }

  variant(): ScaledVariant {
    const { wanted, startTrouble, instances, traffic } = this;
    const named = {
      endpoint: 'prod',
      variant: 'AllTraffic',
      config,
      objective: null,
      isSettled: true,
      type,
      overflow: null,
      shutReason: null,
      hasFunctions: (this.provided.overflow ?? null) !== null,
    };
    return { ...named, wanted, startTrouble, instances, traffic, queue: 0, backlog: null, spentUsd: 0, ...this.provided };
  }

  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds * 4; i++) {
      this.#arrived += this.ratePerSecond / 4;
      this.clock.advance(250);
      await new Promise(setImmediate);
      this.instances = this.instances.map((instance) =>
        instance.state === 'launching' && this.clock.wallMs() - instance.startedAtMs >= 3000
          ? { ...instance, state: 'active', readyAtMs: instance.startedAtMs + 3000 }
          : instance,
      );
    }
  }

  async #record(decision: NewDecision): Promise<Decision> {
    this.made.push(decision);
    return { ...decision, id: `d${this.made.length}`, atMs: 0, effect: null };
  }

  #obey(): void {
    while (this.instances.length > this.wanted) {
      const first = this.leaving.find((id) => this.instances.some((instance) => instance.id === id));
      this.instances = this.instances.filter(({ id }) => id !== (first ?? this.instances[0]?.id));
    }
    while (this.instances.length < this.wanted && this.startTrouble === null) {
      const id = `i${this.#started++}`;
      const fresh = { state: 'launching', startedAtMs: this.clock.wallMs(), readyAtMs: null, restarts: 0, reason: null } as const;
      this.instances = [...this.instances, { id, ...fresh, idleSinceMs: null }];
    }
  }
}
