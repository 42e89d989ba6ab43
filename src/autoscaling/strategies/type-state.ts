/**
 * Whether a type meets the objective, with hysteresis against a few noisy service times. Once a verdict has held for a minute, it
 * changes only after two minutes of contrary measurements. Service times rise in a surge, the worst time to remove instances,
 * which would be started again a slot later. A verdict that has not held for a minute follows each measurement. A type without
 * instances is not measured, so one abandoned in a bad hour would stay abandoned. Therefore it is retried periodically, and its
 * new measurements decide.
 */
import { formatObjective, type Objective } from '../../objective.ts';
import type { TypeObservation } from './observation.ts';

/** State of one type. */
export interface TypeState {
  readonly name: string;
  /** The objective of the verdict; if it changes, the state is reset. */
  readonly objective: string | null;
  readonly isFeasible: boolean;
  /** Time since which the verdict has held; absent in states of older versions, which count as held long enough. */
  readonly heldSinceMs?: number;
  /** Time since which measurements have contradicted the verdict; null if they do not. */
  readonly contrarySinceMs: number | null;
  /** True if the type ever met the objective. A type that never did is not retried. */
  readonly hasKept?: boolean;
  /** Time since which it has been abandoned and without instances; null if it is not. */
  readonly unseenSinceMs?: number | null;
  /** Time since which it has been retried; null if it is not. */
  readonly triedSinceMs?: number | null;
  /** Last measured while the type met the objective. Later values belong to batch sizes that miss the objective. */
  readonly batchSize: number;
  readonly ratePerSecond: number;
}

const standsAfterMs = 60_000;
const turnsAfterMs = 120_000;
const triedAfterMs = 3_600_000;
const triedForMs = 600_000;

/** The new states, and the types with verdicts after hysteresis. */
export interface TypeStates {
  readonly standings: readonly TypeState[];
  /** The types as plans should use them. */
  readonly types: readonly TypeObservation[];
}

/** Updates the verdict on each type. `former`: the states after the last decision. */
export function typeStatesOf(
  former: readonly TypeState[],
  types: readonly TypeObservation[],
  objective: Objective | null,
  nowMs: number,
): TypeStates {
  const under = objective === null ? null : formatObjective(objective);
  const all = types.map((type) => {
    const before = former.find(({ name, objective: retained }) => name === type.name && retained === under);
    return tried(before, standingOf(before, type, under, nowMs), nowMs);
  });
  return { standings: all.map(({ standing }) => standing), types: all.map(({ type }) => type) };
}

interface Stands {
  readonly standing: TypeState;
  readonly type: TypeObservation;
}

/** Marks an abandoned type as meeting the objective while it is retried, if it ever met it. Otherwise changes nothing. */
function tried(before: TypeState | undefined, { standing, type }: Stands, nowMs: number): Stands {
  const hasMet = standing.isFeasible || before?.hasKept === true;
  if (type.isFeasible || !hasMet) return { standing: { ...standing, hasKept: hasMet, unseenSinceMs: null, triedSinceMs: null }, type };
  const isSeen = type.active + type.launching + type.draining > 0;
  const unseenSinceMs = isSeen ? null : (before?.unseenSinceMs ?? nowMs);
  const isDue = unseenSinceMs !== null && nowMs - unseenSinceMs >= triedAfterMs;
  const triedSinceMs = before?.triedSinceMs ?? (isDue ? nowMs : null);
  if (triedSinceMs === null) return { standing: { ...standing, hasKept: hasMet, unseenSinceMs, triedSinceMs }, type };
  if (nowMs - triedSinceMs >= triedForMs) {
    return { standing: { ...standing, hasKept: hasMet, unseenSinceMs: isSeen ? null : nowMs, triedSinceMs: null }, type };
  }
  const { infeasibleBecause: _untilKnown, ...others } = type;
  return { standing: { ...standing, hasKept: hasMet, unseenSinceMs, triedSinceMs }, type: { ...others, isFeasible: true } };
}

function standingOf(before: TypeState | undefined, type: TypeObservation, objective: string | null, nowMs: number): Stands {
  const { name, isFeasible, batchSize, ratePerSecond } = type;
  const fresh: TypeState = { name, objective, isFeasible, heldSinceMs: nowMs, contrarySinceMs: null, batchSize, ratePerSecond };
  // A type without measurements has no verdict yet, so the first measurement decides.
  if (before === undefined || before.ratePerSecond === 0) return { standing: fresh, type };
  const { heldSinceMs = Number.NEGATIVE_INFINITY } = before;
  if (before.isFeasible === isFeasible) return { standing: { ...fresh, heldSinceMs }, type };
  const contrarySinceMs = before.contrarySinceMs ?? nowMs;
  if (nowMs - contrarySinceMs >= turnsAfterMs) return { standing: { ...fresh, heldSinceMs: contrarySinceMs }, type };
  if (contrarySinceMs - heldSinceMs < standsAfterMs) return { standing: fresh, type };
  const standing = { ...before, contrarySinceMs };
  if (!before.isFeasible) {
    const infeasibleBecause = `type ${name} meets the objective again, but for less than ${turnsAfterMs / 60_000} minutes`;
    return { standing, type: { ...type, isFeasible: false, infeasibleBecause } };
  }
  const { infeasibleBecause: _noise, ...others } = type;
  return { standing, type: { ...others, isFeasible: true, batchSize: before.batchSize, ratePerSecond: before.ratePerSecond } };
}
