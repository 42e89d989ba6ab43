/** Decisions whose effect is not known yet. The effect is computed some slots after the planned slot. */
import { type ScalingEffect, scalingEffectOf } from './decide-effect.ts';
import type { ScalingDecision } from './decide-record.ts';
import type { ScaledVariant } from './scaled-variant.ts';

/** Number of slots to wait after the planned slot. */
const slotsAfter = 2;
const openMax = 100;

interface OpenDecision {
  readonly id: string;
  readonly decision: ScalingDecision;
  readonly atMs: number;
  readonly before: Pick<ScaledVariant, 'traffic' | 'spentUsd'>;
  readonly arrivals: (number | null)[];
}

/** The effect of a decision, identified by the id of its record. */
export interface KnownEffect {
  readonly id: string;
  readonly effect: ScalingEffect;
}

/** Tracks the latest decisions until their effect is known; older open decisions are dropped. */
export class ScalingEffects {
  #open: readonly OpenDecision[] = [];

  made(id: string, decision: ScalingDecision, before: OpenDecision['before'], atMs: number): void {
    this.#open = [...this.#open, { id, decision, atMs, before, arrivals: [] }].slice(-openMax);
  }

  /** Discards all open decisions, because counting stopped. Returns their ids. */
  abandonAll(): string[] {
    const ids = this.#open.map(({ id }) => id);
    this.#open = [];
    return ids;
  }

  /** Ends a slot. Returns the effects of decisions that were waiting for it. */
  slotOver(count: number | null, now: OpenDecision['before'], atMs: number): KnownEffect[] {
    for (const { arrivals } of this.#open) arrivals.push(count);
    const isOver = ({ arrivals, decision }: OpenDecision): boolean => arrivals.length >= decision.inputs.horizon + slotsAfter;
    const over = this.#open.filter(isOver);
    this.#open = this.#open.filter((open) => !isOver(open));
    return over.map(({ id, decision, before, arrivals, atMs: madeAtMs }) => {
      const since = (field: 'requests' | 'violations' | 'overflowed'): number => Math.max(0, now.traffic[field] - before.traffic[field]);
      const measured = {
        windowMs: Math.max(0, atMs - madeAtMs),
        arrivals,
        requests: since('requests'),
        violations: since('violations'),
        overflowed: since('overflowed'),
        spentUsd: Math.max(0, now.spentUsd - before.spentUsd),
      };
      return { id, effect: scalingEffectOf(decision, measured) };
    });
  }
}
