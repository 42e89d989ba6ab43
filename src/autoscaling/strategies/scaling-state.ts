/** State that is passed from one scaling decision to the next. */
import type { RivalMemories } from '../rivals/rivals.ts';
import type { BacklogMemory } from './backlog.ts';
import type { EconomicMemory } from './economic.ts';
import type { HoldMemory } from './hold.ts';
import { initialSloState, type SloState } from './slo-correction.ts';
import type { TrackMemory } from './track.ts';
import type { TypeState } from './type-state.ts';

/** State of each strategy. */
export interface StrategyMemories extends RivalMemories {
  readonly economic?: EconomicMemory;
  readonly track?: TrackMemory;
  readonly hold?: HoldMemory;
  readonly backlog?: BacklogMemory;
  /** State of each policy of a combined one, in order. */
  readonly largest?: readonly StrategyMemories[];
}

/** The complete state between decisions: JSON of a few kB. All times are values of `nowMs`. */
export interface ScalingState {
  readonly format: 1;
  /** Time of the last decision; null before the first one. */
  readonly atMs: number | null;
  readonly slo: SloState;
  /** State of the current policy; discarded if the policy changes. */
  readonly memories: StrategyMemories;
  /** Whether each type meets the objective. */
  readonly standings?: readonly TypeState[];
}

/** Of a variant that has never been decided. */
export const initialScalingState: ScalingState = { format: 1, atMs: null, slo: initialSloState, memories: {} };

/**
 * Restores the state of an earlier server, or returns the initial state if it is invalid. Counter samples are dropped, because
 * counters restart with the server.
 */
export function restoreScalingState(retained: unknown): ScalingState {
  if (!isObject(retained) || retained.format !== 1 || !isObject(retained.slo) || !isObject(retained.memories)) return initialScalingState;
  const { atMs, slo, memories, standings } = retained as unknown as ScalingState;
  const known = Array.isArray(standings) ? { standings: standings.filter(isObject) as unknown as TypeState[] } : {};
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

/** If the clock was set back, shifts all stored times so their age is unchanged. */
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
