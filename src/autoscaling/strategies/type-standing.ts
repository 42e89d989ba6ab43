/**
 * Whether a type keeps the objective, told so that a few noisy service times do not turn it over: what was so for a minute stays so
 * until the contrary has been seen for two. Service times rise in a surge, which is the worst time to send instances away, and those
 * that went would be started again a slot later. What was seen first, of the first few requests, stands only while it is seen.
 *
 * Of a type without instances nothing new is measured: one that kept the objective and was given up in a bad hour would be given up
 * for ever. So it is tried again for a while, now and then; if it serves then, what it measures decides.
 */
import { formatObjective, type Objective } from '../../objective.ts';
import type { TypeObservation } from './observation.ts';

/** What is remembered of a type. */
export interface TypeStanding {
  readonly name: string;
  /** Another objective begins anew. */
  readonly objective: string | null;
  readonly isFeasible: boolean;
  /** Since when it has been so; of states that were kept before this was: long enough. */
  readonly heldSinceMs?: number;
  /** Since when the contrary has been measured; null: it is not. */
  readonly contrarySinceMs: number | null;
  /** Whether it ever kept the objective: one that never did is not tried. */
  readonly hasKept?: boolean;
  /** Since when it is given up and has no instance; null: it has one, or is not given up. */
  readonly unseenSinceMs?: number | null;
  /** Since when it is tried; null: it is not. */
  readonly triedSinceMs?: number | null;
  /** As measured last while it kept the objective: afterwards they are those of batches that do not. */
  readonly batchSize: number;
  readonly ratePerSecond: number;
}

const standsAfterMs = 60_000;
const turnsAfterMs = 120_000;
const triedAfterMs = 3_600_000;
const triedForMs = 600_000;

export interface Standings {
  readonly standings: readonly TypeStanding[];
  /** The types as they are to be planned with. */
  readonly types: readonly TypeObservation[];
}

export function standingsOf(
  former: readonly TypeStanding[],
  types: readonly TypeObservation[],
  objective: Objective | null,
  nowMs: number,
): Standings {
  const under = objective === null ? null : formatObjective(objective);
  const all = types.map((type) => {
    const before = former.find(({ name, objective: kept }) => name === type.name && kept === under);
    return tried(before, standingOf(before, type, under, nowMs), nowMs);
  });
  return { standings: all.map(({ standing }) => standing), types: all.map(({ type }) => type) };
}

interface Stands {
  readonly standing: TypeStanding;
  readonly type: TypeObservation;
}

/** As it stands; one that is given up, has no instance and kept the objective once is taken as keeping it while it is tried. */
function tried(before: TypeStanding | undefined, { standing, type }: Stands, nowMs: number): Stands {
  const hasKept = standing.isFeasible || before?.hasKept === true;
  if (type.isFeasible || !hasKept) return { standing: { ...standing, hasKept, unseenSinceMs: null, triedSinceMs: null }, type };
  const isSeen = type.active + type.launching + type.draining > 0;
  const unseenSinceMs = isSeen ? null : (before?.unseenSinceMs ?? nowMs);
  const isDue = unseenSinceMs !== null && nowMs - unseenSinceMs >= triedAfterMs;
  const triedSinceMs = before?.triedSinceMs ?? (isDue ? nowMs : null);
  if (triedSinceMs === null) return { standing: { ...standing, hasKept, unseenSinceMs, triedSinceMs }, type };
  if (nowMs - triedSinceMs >= triedForMs) {
    return { standing: { ...standing, hasKept, unseenSinceMs: isSeen ? null : nowMs, triedSinceMs: null }, type };
  }
  const { infeasibleBecause: _untilKnown, ...others } = type;
  return { standing: { ...standing, hasKept, unseenSinceMs, triedSinceMs }, type: { ...others, isFeasible: true } };
}

function standingOf(before: TypeStanding | undefined, type: TypeObservation, objective: string | null, nowMs: number): Stands {
  const { name, isFeasible, batchSize, ratePerSecond } = type;
  const seen: TypeStanding = { name, objective, isFeasible, heldSinceMs: nowMs, contrarySinceMs: null, batchSize, ratePerSecond };
  // What was never measured has no standing yet.
  if (before === undefined || before.ratePerSecond === 0) return { standing: seen, type };
  const { heldSinceMs = Number.NEGATIVE_INFINITY } = before;
  if (before.isFeasible === isFeasible) return { standing: { ...seen, heldSinceMs }, type };
  const contrarySinceMs = before.contrarySinceMs ?? nowMs;
  if (nowMs - contrarySinceMs >= turnsAfterMs) return { standing: { ...seen, heldSinceMs: contrarySinceMs }, type };
  if (contrarySinceMs - heldSinceMs < standsAfterMs) return { standing: seen, type };
  const standing = { ...before, contrarySinceMs };
  if (!before.isFeasible) {
    const infeasibleBecause = `type ${name} keeps the objective again, for less than ${turnsAfterMs / 60_000} minutes`;
    return { standing, type: { ...type, isFeasible: false, infeasibleBecause } };
  }
  const { infeasibleBecause: _noise, ...others } = type;
  return { standing, type: { ...others, isFeasible: true, batchSize: before.batchSize, ratePerSecond: before.ratePerSecond } };
}
