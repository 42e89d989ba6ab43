/** On which host a worker starts, and why there. Pure: the caller observes hosts and workers, and acts on the choice. */
import { lackOf } from './abilities.ts';
import type { HostFacts, PlacedWorker, PlacementRequest } from './host.ts';
import { canHave, HostPool, isLargeEnough, type PooledHost } from './host-pool.ts';
import { choiceText, refusalText } from './placement-texts.ts';

/** The host of a worker, or why it has none. */
export type HostChoice =
  | {
      readonly fits: true;
      readonly host: string;
      readonly zone: string;
      /** Hosts with room for it. */
      readonly fitting: number;
      /** Why this host. */
      readonly reason: string;
    }
  | { readonly fits: false /** One sentence without a full stop. */; readonly reason: string };

/** Chooses for one worker. For many, build the pool once. */
export function chooseHost(hosts: readonly HostFacts[], request: PlacementRequest, placed: Iterable<PlacedWorker>): HostChoice {
  return chooseFrom(new HostPool(hosts, placed), request);
}

/**
 * Among ready hosts with room and all that the worker needs. An instance is spread: a zone has at most ceil(n / zones) of the variant's n
 * instances, and a host at most ceil(n / 2), unless only hosts beyond these limits have room. Then come the zone and the host with the fewest of them, and the emptiest
 * host. A function is packed: a host with its artifact, then one with a warm worker, then the fullest one (best fit), so that other hosts
 * stay empty. One of last resort is chosen if no other has room. Equal hosts:
 * the first by name.
 *
 * Does not place the worker: call `place` of the pool. `isStable`: excludes hosts of last resort.
 */
export function chooseFrom(pool: HostPool, request: PlacementRequest, isStable = false): HostChoice {
  const { hosts, zones } = candidatesOf(pool, request, isStable);
  const best = bestOf(hosts, request.kind === 'instance' ? spreading(pool, request, spreadLimits(pool, request, zones)) : packing(request));
  if (best === undefined) return { fits: false, reason: refusalText(pool, request) };
  const { name, zone } = best.facts;
  const fitting = hosts.length;
  return { fits: true, host: name, zone, fitting, reason: choiceText(pool, best, request, hosts) };
}

/**
 * Where an instance would be within the limits of its spread, if it is beyond them where it is. Null if it is within them, or if no host
 * within them has room.
 */
export function chooseForSpread(pool: HostPool, worker: PlacedWorker): Extract<HostChoice, { readonly fits: true }> | null {
  const host = pool.host(worker.host);
  if (host === undefined || worker.kind !== 'instance' || !mayExceed(pool, host, worker)) return null;
  pool.remove(worker.id);
  try {
    const limits = spreadLimits(pool, worker, candidatesOf(pool, worker).zones);
    if (excessOf(pool, host, worker, limits) === 0) return null;
    const choice = chooseFrom(pool, worker, true);
    const to = choice.fits ? pool.host(choice.host) : undefined;
    return choice.fits && to !== undefined && excessOf(pool, to, worker, limits) === 0 ? choice : null;
  } finally {
    pool.place(worker);
  }
}

/**
 * Which other host an instance moves to that its own one runs for lack of hosts. Null if none has room. Also null if its variant would be
 * spread worse there, unless its own host is too full for it or of last resort.
 */
export function chooseOther(pool: HostPool, worker: PlacedWorker): Extract<HostChoice, { readonly fits: true }> | null {
  const host = pool.host(worker.host);
  if (host === undefined || worker.kind !== 'instance') return null;
  pool.remove(worker.id);
  try {
    const { hosts, zones } = candidatesOf(pool, worker, true);
    const others = hosts.filter((each) => each !== host);
    const limits = spreadLimits(pool, worker, zones);
    const best = bestOf(others, spreading(pool, worker, limits));
    if (best === undefined) return null;
    const mayStay = canHave(host, worker) && !host.facts.isLastResort;
    if (mayStay && excessOf(pool, best, worker, limits) > excessOf(pool, host, worker, limits)) return null;
    const { name, zone } = best.facts;
    return { fits: true, host: name, zone, fitting: others.length, reason: choiceText(pool, best, worker, others) };
  } finally {
    pool.place(worker);
  }
}

/** Whether it may be beyond the limits of its spread, seen without a look at other hosts: almost no instance is. */
function mayExceed(pool: HostPool, host: PooledHost, { variant, instances }: PlacedWorker): boolean {
  const wanted = instances ?? pool.instancesOf(variant);
  const inZone = pool.instancesByZone(variant)?.[host.zone] ?? 0;
  const onHost = host.instances.get(variant) ?? 0;
  return inZone > Math.ceil(wanted / pool.zones.length) || onHost > Math.ceil(wanted / 2);
}

interface Candidates {
  /** Ready hosts with room, by name. */
  readonly hosts: readonly PooledHost[];
  /** Zones with a ready host that could have the worker if it had no others. */
  readonly zones: number;
}

function candidatesOf(pool: HostPool, request: PlacementRequest, isStable = false): Candidates {
  const hosts: PooledHost[] = [];
  const isZoneUsable = new Uint8Array(pool.zones.length);
  for (const host of pool.hosts) {
    if (host.facts.state !== 'ready') continue;
    const { abilities, isLastResort } = host.facts;
    const isCandidate = canHave(host, request) && !(isStable && isLastResort);
    if (isCandidate) hosts.push(host);
    if (isLastResort || isZoneUsable[host.zone] === 1) continue;
    const isUsable = isCandidate || (isLargeEnough(host.facts, request) && lackOf(abilities, request.needs) === null);
    if (isUsable) isZoneUsable[host.zone] = 1;
  }
  return { hosts, zones: isZoneUsable.reduce((sum, usable) => sum + usable, 0) };
}

/** A host's place among candidates: the lower rank wins, then the lower value of `fill`. */
interface Ranking {
  readonly rank: (host: PooledHost) => number;
  readonly fill: (host: PooledHost) => number;
}

/** Above the number of a variant's instances in a zone or on a host that matters. */
const countsMax = 2 ** 16;

function spreading(pool: HostPool, request: PlacementRequest, limits: SpreadLimits): Ranking {
  const inZones = pool.instancesByZone(request.variant);
  const rank = (host: PooledHost): number => {
    const inZone = inZones?.[host.zone] ?? 0;
    const onHost = inZone === 0 ? 0 : (host.instances.get(request.variant) ?? 0);
    const excess = Number(inZone >= limits.zone) + Number(onHost >= limits.host);
    const counts = Math.min(inZone, countsMax - 1) * countsMax + Math.min(onHost, countsMax - 1);
    return ((Number(host.facts.isLastResort) * 4 + excess) * countsMax * countsMax + counts) * 4 + coldness(host, request);
  };
  return { rank, fill: (host) => fillWith(host, request) };
}

interface SpreadLimits {
  /** Instances of the variant in a zone. */
  readonly zone: number;
  readonly host: number;
}

function spreadLimits(pool: HostPool, { variant, instances }: PlacementRequest, zones: number): SpreadLimits {
  const wanted = instances ?? pool.instancesOf(variant) + 1;
  return { zone: Math.ceil(wanted / Math.max(1, zones)), host: Math.ceil(wanted / 2) };
}

/** How many limits the variant would exceed with one more instance there. */
function excessOf(pool: HostPool, host: PooledHost, request: PlacementRequest, limits: SpreadLimits): number {
  const onHost = host.instances.get(request.variant) ?? 0;
  return Number(instancesInZone(pool, host, request) >= limits.zone) + Number(onHost >= limits.host);
}

function instancesInZone(pool: HostPool, { zone }: PooledHost, { variant }: PlacementRequest): number {
  return pool.instancesByZone(variant)?.[zone] ?? 0;
}

function packing(request: PlacementRequest): Ranking {
  const rank = (host: PooledHost): number => Number(host.facts.isLastResort) * 4 + coldness(host, request);
  return { rank, fill: (host) => -fillWith(host, request) };
}

/** From 0 to 3, by what a start takes longest: fetching the artifact, then starting a process. */
function coldness({ facts }: PooledHost, { artifact }: PlacementRequest): number {
  return (facts.artifacts.has(artifact) ? 0 : 2) + (facts.warmWorkers > 0 ? 0 : 1);
}

function bestOf(candidates: readonly PooledHost[], { rank, fill }: Ranking): PooledHost | undefined {
  let best: PooledHost | undefined;
  let [bestRank, bestFill] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const host of candidates) {
    const its = rank(host);
    if (its > bestRank) continue;
    const itsFill = fill(host);
    if (its === bestRank && itsFill >= bestFill) continue;
    [best, bestRank, bestFill] = [host, its, itsFill];
  }
  return best;
}

/** The used share of the scarcer of CPU and memory, with the worker. */
function fillWith({ facts, cpuFreeMilli, memoryFreeMiB }: PooledHost, { cpuMilli, memoryMiB }: PlacementRequest): number {
  const cpu = facts.cpuMilli > 0 ? 1 - (cpuFreeMilli - cpuMilli) / facts.cpuMilli : 1;
  const memory = facts.memoryMiB > 0 ? 1 - (memoryFreeMiB - memoryMiB) / facts.memoryMiB : 1;
  return Math.max(cpu, memory);
}
