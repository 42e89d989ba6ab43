/** A variant that scales in a world that obeys, on a clock that stands still: what its controller decides and says is written down. */
import type { ScalingEffect } from '../src/autoscaling/decide-effect.ts';
import type { ScaledVariant, SeenInstance } from '../src/autoscaling/scaled-variant.ts';
import { ScalingController } from '../src/autoscaling/scaling-controller.ts';
import { VirtualClock } from '../src/clock.ts';
import type { Decision, NewDecision, NewEvent } from '../src/monitoring/index.ts';
import { noTraffic, type OverflowPlan, type TrafficCounts } from '../src/serving/index.ts';

export const config = { policy: 'economic,hold=1', instancesMin: 1, instancesMax: 5, usdPerHourMax: null };
/** 10 rows/s, and a cent an hour: functions are dearer by far. */
export const type = { name: 'local.1', usdPerHour: 0.01, batchSize: 1, ratePerSecond: 10, usdPerRequest: 1e-6, isFeasible: true };
export const overflow = { usdPerRequest: 1e-3 };

/** A clock whose hands can be set back. */
class SetClock extends VirtualClock {
  #backMs = 0;

  override wallMs(): number {
    return super.wallMs() - this.#backMs;
  }

  setBack(ms: number): void {
    this.#backMs += ms;
  }
}

/** A world that obeys at once: instances come three seconds after they were wished for, and rows at a rate. */
export class World {
  readonly clock: SetClock;
  readonly made: NewDecision[] = [];
  readonly effects = new Map<string, ScalingEffect>();
  readonly kept = new Map<string, string>();
  readonly warnings: string[] = [];
  readonly givenUp: string[] = [];
  readonly events: NewEvent[] = [];
  /** What functions keep to, as they were told last. */
  readonly plans = new Map<string, OverflowPlan>();
  ratePerSecond = 0;
  /** What the config says. */
  given: Partial<ScaledVariant> = {};
  wanted = 1;
  isServed = true;
  startTrouble: string | null = null;
  leaving: readonly string[] = [];
  instances: SeenInstance[] = [];
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

  get told(): string[] {
    return this.made.map(({ explanation }) => explanation);
  }

  newController(): ScalingController {
    const noted = (_: unknown, message: string): void => void this.warnings.push(message);
    return new ScalingController({
      clock: this.clock,
      log: { warn: noted, info: () => undefined } as never,
      leadMinMs: 0,
      decisions: {
        record: async (decision) => {
          this.made.push(decision);
          return { ...decision, id: `d${this.made.length}`, atMs: 0, effect: null } satisfies Decision;
        },
        fillEffect: async ({ id, effect }) => void this.effects.set(id, effect as ScalingEffect),
        giveUpEffects: async (kind, why) => void this.givenUp.push(`${kind}: ${why}`),
      },
      events: {
        recordAndPublish: async (event) => {
          this.events.push(event);
          return { ...event, seq: 1, id: 'e', atMs: 0 };
        },
      },
      follow: (endpoint, variant, plan) => void this.plans.set(`${endpoint}/${variant}`, plan),
      states: {
        read: async (...names) => JSON.parse(this.kept.get(names.join('/')) ?? 'null') as unknown,
        write: async (endpoint, variant, state) => void this.kept.set(`${endpoint}/${variant}`, JSON.stringify(state)),
      },
      variants: () => (this.isServed ? [this.variant()] : []),
      scale: async (_endpoint, _variant, count, leaving) => {
        this.wanted = count;
        this.leaving = leaving;
        this.#obey();
        return count;
      },
    });
  }

  /** Another server on the same state, after this one was killed. */
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
      hasFunctions: (this.given.overflow ?? null) !== null,
    };
    return { ...named, wanted, startTrouble, instances, traffic, queue: 0, spentUsd: 0, ...this.given };
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
