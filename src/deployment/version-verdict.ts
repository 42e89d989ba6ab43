/**
 * Whether the new version of an update does plainly worse than it may, and than the old one: by its own requests, which are few in a canary, looked
 * at each second. Pure.
 */
import { budgetOf, type Objective, spokenMs } from '../objective.ts';
import { requestsOf, type VersionCounts } from './version-counts.ts';

/** The requests of a version within the window that is judged. */
export interface JudgedVersion {
  /** Such as `digits/3`; more than one where the update has several variants. */
  readonly models: string;
  readonly counts: VersionCounts;
}

export interface Comparison {
  readonly now: JudgedVersion;
  /** How the old one did, or what there was before the update; null where it is not known. */
  readonly before: JudgedVersion | null;
  /** Of what `before` says nothing. */
  readonly silentOn?: readonly Fault['kind'][];
  readonly objective: Objective | null;
  readonly lateness: Lateness;
  /** The step has been watched to its end: what came by then is all there is to judge by. */
  readonly isOver: boolean;
}

/** How lateness came that is judged, of whichever version it came more in bursts. */
export interface Lateness {
  /** As how many requests an independent one would count, at least 1. */
  readonly designEffect: number;
  readonly watchedSeconds: number;
}

interface Fault {
  readonly kind: 'late' | 'failed' | 'overloaded' | 'refused';
  readonly said: string;
  readonly mayBe: number;
  /** Where nothing is known to compare it with. */
  readonly mayBeAlone: number;
  readonly bad: (counts: VersionCounts) => number;
  readonly of: (counts: VersionCounts) => number;
  /** Callers that ask for what cannot be are no fault of a version, unless another serves them. */
  readonly needsComparison: boolean;
  readonly comesInBursts: boolean;
}

/** While the step goes on, fewer requests than these say nothing: the first ones of a process are its slowest. */
const requestsMin = 30;
/** While the step goes on, lateness of less time may be one burst. */
const latenessSecondsMin = 30;
/** How often, of good updates, one is taken back by mistake: at most one in a thousand for each kind of fault, however long it is watched, where requests are independent. */
const mistakesMost = 0.001;
const failuresMost = 0.01;
/** Where nothing shows what is usual, as many may fail, or find no room, as the objective lets be late, but no more than these. */
const failuresMostAlone = 0.05;

/** Why the new version is to be taken back; null where nothing speaks plainly against it. */
export function faultOf({ now, before, silentOn = [], objective, lateness, isOver }: Comparison): string | null {
  if (!isOver && requestsOf(now.counts) < requestsMin) return null;
  for (const fault of faultsBy(objective)) {
    if (fault.comesInBursts && !isOver && lateness.watchedSeconds < latenessSecondsMin) continue;
    const designEffect = fault.comesInBursts ? lateness.designEffect : 1;
    const [bad, all] = [fault.bad(now.counts), fault.of(now.counts)];
    const known = before === null || silentOn.includes(fault.kind) || fault.of(before.counts) === 0 ? null : before;
    if (known === null && fault.needsComparison) continue;
    const mayBe = known === null ? fault.mayBeAlone : fault.mayBe;
    if (evidence(bad / designEffect, all / designEffect, mayBe) < 1 / mistakesMost) continue;
    if (known !== null && !isWorse({ bad, all }, { bad: fault.bad(known.counts), all: fault.of(known.counts) }, designEffect)) continue;
    const other = known === null ? '' : `; ${known.models}: ${percent(fault.bad(known.counts) / fault.of(known.counts))}`;
    return `${percent(bad / all)} of the ${all} requests of ${now.models} ${fault.said} (${percent(mayBe)} may be)${other}`;
  }
  return null;
}

function faultsBy(objective: Objective | null): readonly Fault[] {
  const budget = objective === null ? 0 : budgetOf(objective);
  const failed = {
    kind: 'failed',
    said: 'failed',
    mayBe: failuresMost,
    mayBeAlone: Math.min(failuresMostAlone, Math.max(failuresMost, budget)),
    of: requestsOf,
    needsComparison: false,
    comesInBursts: false,
  } as const;
  const overloaded = { ...failed, kind: 'overloaded', said: 'were refused as overloaded (HTTP 429)' } as const;
  const refused = {
    kind: 'refused',
    said: 'were refused as wrong (HTTP 400)',
    mayBe: failuresMost,
    mayBeAlone: failuresMost,
    of: requestsOf,
    needsComparison: true,
    comesInBursts: false,
  } as const;
  const late = (by: Objective): Fault => ({
    kind: 'late',
    said: `were later than ${spokenMs(by.latencyMs)}`,
    mayBe: budget,
    mayBeAlone: budget,
    bad: (counts) => counts.late,
    of: (counts) => counts.answered,
    needsComparison: false,
    comesInBursts: true,
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
 * Were both equally good, each bad request would be the new one's with the probability of its share of all requests, whatever makes them bad at
 * times (conditional test of two rates: Przyborowski and Wilenski, Biometrika 31, 1940). So no traffic that is bad for both speaks against one.
 */
function isWorse(now: Share, before: Share, designEffect: number): boolean {
  const ratio = evidence(now.bad / designEffect, (now.bad + before.bad) / designEffect, now.all / (now.all + before.all));
  return ratio >= 1 / mistakesMost;
}

/**
 * How many times likelier k bad ones of n are where more than p0 are bad, than where p0 are: Wald's sequential probability ratio (The Annals of
 * Mathematical Statistics 16, 1945), as the mean over several p1 > p0:
 *
 *   mean over p1 of (p1/p0)^k ((1-p1)/(1-p0))^(n-k)
 *
 * Where p0 or less are bad it exceeds 1/a with a probability of at most a, however often one looks (Ville, 1939): so it may be asked each second,
 * where a fixed test or a confidence bound would be wrong sooner or later.
 *
 * k = bad, n = all, p0 = mayBe. Of requests that come in bursts, both divided by their design effect: as many as would be independent.
 */
export function evidence(bad: number, all: number, mayBe: number): number {
  if (all === 0 || mayBe >= 1) return 0;
  const ratios = alternatives.map((part) => {
    const worse = mayBe + part * (1 - mayBe);
    return Math.exp(bad * Math.log(worse / mayBe) + (all - bad) * Math.log((1 - worse) / (1 - mayBe)));
  });
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}

/** How far p1 is from p0 on the way to 1. */
const alternatives = [1 / 32, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 15 / 16];

function percent(share: number): string {
  const value = 100 * share;
  return `${value >= 10 ? Math.round(value) : Number(value.toFixed(1))} %`;
}
