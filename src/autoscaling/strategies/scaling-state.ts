/** What is remembered from one scaling decision to the next. */
import type { BatchMemory } from './batch.ts';
import type { EconomicMemory } from './economic.ts';
import type { HoldMemory } from './hold.ts';
import type { HpaMemory } from './hpa.ts';
import type { KpaMemory } from './kpa.ts';
import type { MarkGreedyMemory } from './mark-greedy.ts';
import type { QuantileMemory } from './quantile-plan.ts';
import type { RayMemory } from './ray.ts';
import type { RunningMaxMemory } from './running-max.ts';
import { noSloTrouble, type SloState } from './slo-correction.ts';
import type { TargetTrackingMemory } from './target-tracking.ts';
import type { TrackMemory } from './track.ts';
import type { TypeStanding } from './type-standing.ts';

/** What each strategy remembers. */
export interface StrategyMemories {
  readonly economic?: EconomicMemory;
  readonly 'mark-greedy'?: MarkGreedyMemory;
  readonly hybrid?: QuantileMemory;
  readonly 'instances-only'?: QuantileMemory;
  readonly 'running-max'?: RunningMaxMemory;
  readonly 'target-tracking'?: TargetTrackingMemory;
  readonly track?: TrackMemory;
  readonly hold?: HoldMemory;
  readonly hpa?: HpaMemory;
  readonly kpa?: KpaMemory;
  readonly ray?: RayMemory;
  readonly batch?: BatchMemory;
  /** Of policies that stand together, in their order. */
  readonly largest?: readonly StrategyMemories[];
}

/** All that is remembered from one decision to the next: JSON, a few kB. Times are those of `nowMs`. */
export interface ScalingState {
  readonly format: 1;
  /** Of the last decision; null before the first. */
  readonly atMs: number | null;
  readonly slo: SloState;
  /** That of the policy in force; another one begins anew. */
  readonly memories: StrategyMemories;
  /** Which types keep the objective. */
  readonly standings?: readonly TypeStanding[];
}

export const scalingBegin: ScalingState = { format: 1, atMs: null, slo: noSloTrouble, memories: {} };

/**
 * What an earlier server left behind; a new beginning where that is none of ours. What it had counted is forgotten: counters begin
 * anew with a server.
 */
export function restoreScalingState(kept: unknown): ScalingState {
  if (!isObject(kept) || kept.format !== 1 || !isObject(kept.slo) || !isObject(kept.memories)) return scalingBegin;
  const { atMs, slo, memories, standings } = kept as unknown as ScalingState;
  const known = Array.isArray(standings) ? { standings: standings.filter(isObject) as unknown as TypeStanding[] } : {};
  return { format: 1, atMs, slo, memories: withoutCounters(memories), ...known };
}

function withoutCounters(memories: StrategyMemories): StrategyMemories {
  const entries = Object.entries(memories).map(([kind, memory]: [string, object]) => {
    if (Array.isArray(memory)) return [kind, (memory as StrategyMemories[]).map(withoutCounters)];
    const emptied = Object.keys(memory).filter((name) => name === 'arrivals' || name === 'concurrency');
    return [kind, { ...memory, ...Object.fromEntries(emptied.map((name) => [name, []])) }];
  });
  return Object.fromEntries(entries) as StrategyMemories;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Where the clock was set back, everything remembered is as old as it was before. */
export function afterClockChange(state: ScalingState, nowMs: number): ScalingState {
  if (state.atMs === null || nowMs >= state.atMs) return state;
  return shifted(state, nowMs - state.atMs) as ScalingState;
}

function shifted(value: unknown, byMs: number, name = ''): unknown {
  if (typeof value === 'number') return /(?:^atMs|AtMs|SinceMs)$/.test(name) ? value + byMs : value;
  if (Array.isArray(value)) return value.map((item) => shifted(item, byMs));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shifted(item, byMs, key)]));
}
