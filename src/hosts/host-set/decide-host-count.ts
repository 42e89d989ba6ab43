/** How many hosts a set is to have, and which one is emptied before it ends. Pure. */
import type { WantedHostState } from '../host.ts';
import type { HostLinkState } from '../hosts-view.ts';

/** The bounds of the set, both inclusive. */
export interface HostSetLimits {
  readonly min: number;
  readonly max: number;
}

/** A host of the set that has joined the cluster. */
export interface HostOfSet {
  readonly name: string;
  /** N of `NAME-N`. */
  readonly ordinal: number;
  readonly link: HostLinkState;
  /** By its row: the operator's will, or that of this loop. */
  readonly wanted: WantedHostState;
  readonly workers: number;
}

/** What is known when the number is decided. */
export interface HostSetObservation {
  readonly set: string;
  readonly limits: HostSetLimits;
  /** The number that the engine is to run. */
  readonly hosts: number;
  /** What the workers need; null if it is not known. */
  readonly wanted: { readonly hosts: number; readonly reason: string } | null;
  /** Hosts that take workers and are not in the set. */
  readonly others: number;
  readonly known: readonly HostOfSet[];
  /** The host that this loop empties, by its ordinal; null without one. */
  readonly draining: number | null;
  /** For how long it has been emptied. */
  readonly drainingMs: number;
  /** For how long fewer hosts have been needed than there are. */
  readonly surplusMs: number;
}

/**
 * `keep`: nothing is done. `scale`: the engine is asked for `hosts`. `drain`: the workers of the highest host move away, so that it can end.
 * `restore`: the host that was emptied takes workers again. `forget`: the host that was emptied has ended.
 */
export type HostSetDecision =
  | { readonly action: 'keep'; readonly needed: number | null; readonly reason: string }
  | { readonly action: 'scale'; readonly needed: number | null; readonly hosts: number; readonly reason: string }
  | { readonly action: 'drain' | 'restore' | 'forget'; readonly needed: number | null; readonly ordinal: number; readonly reason: string };

/** A start of a host takes minutes, so a lull does not end one. */
export const surplusMsMin = 600_000;
/** Workers that find no room elsewhere are not kept in suspense. */
export const drainingMsMax = 600_000;

/** One step at a time: hosts are added at once, and end one by one, the highest first, once they have no workers. */
export function decideHostCount(observed: HostSetObservation): HostSetDecision {
  const { set, limits, hosts, wanted, draining } = observed;
  const needed = neededHosts(observed);
  if (hosts < limits.min) return { action: 'scale', needed, hosts: limits.min, reason: `the set has at least ${hostsText(limits.min)}` };
  if (needed === null || wanted === null) return { action: 'keep', needed, reason: 'it is not known yet how many hosts the workers need' };
  const why = neededReason(observed, needed, wanted.reason);
  if (draining !== null) return decideWhileDraining(observed, draining, needed, why);
  if (needed > hosts) return { action: 'scale', needed, hosts: needed, reason: why };
  if (needed === hosts) return { action: 'keep', needed, reason: why };
  const waits = surplusMsMin - observed.surplusMs;
  if (waits > 0) return { action: 'keep', needed, reason: `${why}; a host ends after 10 min without need for it` };
  const highest = observed.known.find(({ ordinal }) => ordinal === hosts - 1);
  if (highest === undefined) {
    return { action: 'scale', needed, hosts: hosts - 1, reason: `${why}; ${set}-${hosts - 1} has not joined the cluster` };
  }
  if (highest.link === 'away') return { action: 'keep', needed, reason: `${why}; ${highest.name} does not respond at the moment` };
  if (highest.wanted !== 'ready') {
    if (isEmpty(highest)) return { action: 'scale', needed, hosts: hosts - 1, reason: `${why}; ${highest.name} has no workers` };
    return { action: 'keep', needed, reason: `${why}; an operator has ${highest.name} ${highest.wanted}, with ${workersText(highest)}` };
  }
  return { action: 'drain', needed, ordinal: highest.ordinal, reason: `${why}; ${highest.name} is the highest` };
}

function decideWhileDraining(observed: HostSetObservation, draining: number, needed: number, why: string): HostSetDecision {
  const { set, hosts, known, drainingMs } = observed;
  const name = `${set}-${draining}`;
  const host = known.find(({ ordinal }) => ordinal === draining);
  const restore = (reason: string): HostSetDecision => ({ action: 'restore', needed, ordinal: draining, reason });
  if (draining >= hosts) {
    if (needed > hosts) return restore(`${why}; ${name} returns`);
    const isHere = host !== undefined && host.link !== 'lost';
    if (isHere) return { action: 'keep', needed, reason: `${why}; ${name} is ending` };
    return { action: 'forget', needed, ordinal: draining, reason: `${name} has ended` };
  }
  if (needed >= hosts) return restore(why);
  if (draining !== hosts - 1) return restore(`the set was changed to ${hostsText(hosts)}, so ${name} is not the highest any more`);
  if (host !== undefined && host.wanted !== 'draining') return restore(`an operator uncordoned ${name}`);
  if (host === undefined || isEmpty(host)) return { action: 'scale', needed, hosts: hosts - 1, reason: `${why}; ${name} has no workers` };
  if (drainingMs > drainingMsMax) return restore(`the workers of ${name} found no room on other hosts within 10 min`);
  return { action: 'keep', needed, reason: `${why}; ${name} drains, with ${workersText(host)}` };
}

/** Of a host that takes no workers. Those of a lost host start elsewhere. */
function isEmpty({ link, workers }: HostOfSet): boolean {
  return link === 'lost' || (link === 'linked' && workers === 0);
}

/** Null if it is not known. Hosts that an operator keeps free of workers are needed in addition. */
function neededHosts({ limits, wanted, others, known, hosts, draining }: HostSetObservation): number | null {
  if (wanted === null) return null;
  const unused = known.filter((host) => host.ordinal < hosts && host.ordinal !== draining && host.wanted !== 'ready').length;
  return Math.min(limits.max, Math.max(limits.min, Math.max(0, wanted.hosts - others) + unused));
}

function neededReason({ limits, others, wanted }: HostSetObservation, needed: number, reason: string): string {
  const bound = needed === limits.max && (wanted?.hosts ?? 0) - others > needed ? `, of at most ${limits.max}` : '';
  const elsewhere = others === 0 ? '' : `, ${others} of them outside of the set`;
  return `${hostsText(wanted?.hosts ?? 0)} wanted${elsewhere}${bound}: ${reason}`;
}

function workersText({ workers }: HostOfSet): string {
  return workers === 1 ? '1 worker' : `${workers} workers`;
}

function hostsText(hosts: number): string {
  return hosts === 1 ? '1 host' : `${hosts} hosts`;
}
