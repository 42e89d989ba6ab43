/**
 * Decides whether the new version of an update is clearly worse than both the allowed share and the old version. It is judged once a
 * second by its own requests, which are few in a canary. Pure.
 */
import { approximateMs, budgetOf, type Objective } from '../../objective.ts';
import { requestsOf, type VersionCounts } from './version-counts.ts';

/** The requests of a version within the window. */
export interface EvaluatedVersion {
  /** Such as `digits/3`; several, joined by `and`, if the update has several variants. */
  readonly models: string;
  readonly counts: VersionCounts;
}

/** The input of `versionFault`. */
export interface VersionComparison {
  readonly now: EvaluatedVersion;
  /** The counts of the old version, or from before the update; null if unknown. */
  readonly before: EvaluatedVersion | null;
  /** Kinds of faults for which `before` is not a baseline. */
  readonly incomparable?: readonly Fault['kind'][];
  readonly objective: Objective | null;
  readonly lateness: Lateness;
  /** The step is complete: it will have no further requests. */
  readonly isOver: boolean;
}

/** Burstiness of late requests, of the version with the larger design effect. */
export interface Lateness {
  /** The design effect: how many requests count as one independent request, at least 1. */
  readonly designEffect: number;
  readonly watchedSeconds: number;
}

interface Fault {
  readonly kind: 'late' | 'failed' | 'overloaded' | 'refused';
  readonly description: string;
  /** The allowed share of bad requests if there is a baseline. */
  readonly allowed: number;
  /** The allowed share if there is no baseline. */
  readonly allowedAlone: number;
  readonly bad: (counts: VersionCounts) => number;
  readonly of: (counts: VersionCounts) => number;
  /** Invalid requests do not count against a version, unless another version serves them. */
  readonly needsComparison: boolean;
  readonly isBursty: boolean;
}

/** Until the step is complete, fewer requests than this are not judged: the first ones of a process are its slowest. */
const requestsMin = 30;
/** Until the step is complete, late requests within a shorter time may be one burst. */
const latenessSecondsMin = 30;
/**
 * The false alarm rate per kind of fault, for independent requests: the share of good updates that are rolled back.
 * It holds for updates of any duration.
 */
const mistakesMost = 0.001;
/** With a baseline, the allowed share of failed, overloaded or invalid requests. */
const failuresMost = 0.01;
/** Without a baseline, the allowed share of failed or overloaded requests is the objective's share of late ones, at most this. */
const failuresMostAlone = 0.05;

/** Why the new version should be rolled back; null without clear evidence against it. */
export function versionFault({ now, before, incomparable = [], objective, lateness, isOver }: VersionComparison): string | null {
  if (!isOver && requestsOf(now.counts) < requestsMin) return null;
  for (const fault of faultsBy(objective)) {
    if (fault.isBursty && !isOver && lateness.watchedSeconds < latenessSecondsMin) continue;
    const designEffect = fault.isBursty ? lateness.designEffect : 1;
    const [bad, all] = [fault.bad(now.counts), fault.of(now.counts)];
    const known = before === null || incomparable.includes(fault.kind) || fault.of(before.counts) === 0 ? null : before;
    if (known === null && fault.needsComparison) continue;
    const allowed = known === null ? fault.allowedAlone : fault.allowed;
    if (evidence(bad / designEffect, all / designEffect, allowed) < 1 / mistakesMost) continue;
    if (known !== null && !isWorse({ bad, all }, { bad: fault.bad(known.counts), all: fault.of(known.counts) }, designEffect)) continue;
    const other = known === null ? '' : `; ${known.models}: ${percent(fault.bad(known.counts) / fault.of(known.counts))}`;
    return `${percent(bad / all)} of the ${all} requests of ${now.models} ${fault.description} (${percent(allowed)} allowed)${other}`;
  }
  return null;
}

function faultsBy(objective: Objective | null): readonly Fault[] {
  const budget = objective === null ? 0 : budgetOf(objective);
  const failed = {
    kind: 'failed',
    description: 'failed',
    allowed: failuresMost,
    allowedAlone: Math.min(failuresMostAlone, Math.max(failuresMost, budget)),
    of: requestsOf,
    needsComparison: false,
    isBursty: false,
  } as const;
  const overloaded = { ...failed, kind: 'overloaded', description: 'were rejected for overload (HTTP 429)' } as const;
  const refused = {
    kind: 'refused',
    description: 'were rejected as invalid (HTTP 400)',
    allowed: failuresMost,
    allowedAlone: failuresMost,
    of: requestsOf,
    needsComparison: true,
    isBursty: false,
  } as const;
  const late = (by: Objective): Fault => ({
    kind: 'late',
    description: `were later than ${approximateMs(by.latencyMs)}`,
    allowed: budget,
    allowedAlone: budget,
    bad: (counts) => counts.late,
    of: (counts) => counts.answered,
    needsComparison: false,
    isBursty: true,
  });
  return [
    { ...failed, bad: (counts) => counts.failed },
    { ...overloaded, bad: (counts) => counts.overloaded },
    { ...refused, bad: (counts) => counts.refused - counts.overloaded },
    ...(objective === null ? [] : [late(objective)]),
  ];
}

interface Share {
  readonly bad: number;
  readonly all: number;
}

/**
 * If both versions were equally good, the new one's share of the bad requests would be its share of all requests (conditional
 * test of two rates: Przyborowski and Wilenski, Biometrika 31, 1940). So traffic that is bad for both is not evidence against one.
 */
function isWorse(now: Share, before: Share, designEffect: number): boolean {
  const ratio = evidence(now.bad / designEffect, (now.bad + before.bad) / designEffect, now.all / (now.all + before.all));
  return ratio >= 1 / mistakesMost;
}

/**
 * How much likelier k bad requests of n are if the true share of bad requests exceeds p0 than if it is p0: Wald's sequential
 * probability ratio (The Annals of Mathematical Statistics 16, 1945), averaged over several p1 > p0:
 *
 *   mean over p1 of (p1/p0)^k ((1-p1)/(1-p0))^(n-k)
 *
 * If the true share is at most p0, the probability that this ratio ever exceeds 1/a is at most a (Ville, 1939). So it can be
 * evaluated every second.
 * A fixed test or a confidence bound would raise a false alarm sooner or later.
 *
 * k = bad, n = all, p0 = allowed. For bursty requests, divide both by the design effect: the number of independent requests.
 */
export function evidence(bad: number, all: number, allowed: number): number {
  if (all === 0 || allowed >= 1) return 0;
  const ratios = alternatives.map((part) => {
    const worse = allowed + part * (1 - allowed);
    return Math.exp(bad * Math.log(worse / allowed) + (all - bad) * Math.log((1 - worse) / (1 - allowed)));
  });
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}

/** Values of (p1 - p0) / (1 - p0). */
const alternatives = [1 / 32, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 15 / 16];

function percent(share: number): string {
  const value = 100 * share;
  return `${value >= 10 ? Math.round(value) : Number(value.toFixed(1))} %`;
}
