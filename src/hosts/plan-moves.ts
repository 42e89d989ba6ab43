/** Which workers move to another host. Pure: one round decides, and the caller moves. */
import { chooseForSpread, chooseFrom, chooseOther, type HostChoice } from './choose-host.ts';
import type { PlacedWorker } from './host.ts';
import { HostPool, keepsWorkers } from './host-pool.ts';

/**
 * Why a worker moves. `host-lost`: its process is taken for dead. `host-draining`: the operator asked for it. `host-on-notice`: its host
 * got SIGTERM. `stopgap`: the home runs it for lack of hosts. `spread`: its variant has too many instances in one zone or on one host.
 */
export type MoveCause = 'host-lost' | 'host-draining' | 'host-on-notice' | 'stopgap' | 'spread';

/** A worker that starts on another host. */
export interface WorkerMove {
  readonly worker: PlacedWorker;
  readonly cause: MoveCause;
  readonly to: string;
  /** Why to that host. */
  readonly reason: string;
}

/** A worker that is to move and has no host yet. */
export interface PendingMove {
  readonly worker: PlacedWorker;
  readonly cause: MoveCause;
  readonly reason: string;
}

/** What a round of placement does. */
export interface MovePlan {
  readonly moves: readonly WorkerMove[];
  readonly pending: readonly PendingMove[];
  /** Functions of hosts that are about to go: they end after their batch, and the next request starts one elsewhere. */
  readonly ending: readonly PlacedWorker[];
}

/** What a plan depends on, besides hosts and workers. */
export interface MoveLimits {
  /** Variants with a move under way, or whose instances are not all ready: none of their healthy instances moves. */
  readonly busyVariants: ReadonlySet<string>;
  /** Instances that had no request for a while: only these move for the spread. */
  readonly idleWorkers: ReadonlySet<string>;
  /** Instances that the home runs for lack of hosts. */
  readonly stopgaps: ReadonlySet<string>;
  /** Variants with a move under way: of their endpoints, no stopgap moves. */
  readonly movingVariants: ReadonlySet<string>;
  /** How many stopgaps begin to move in a round at most, and how many idle instances for the spread. */
  readonly stopgapMovesMax: number;
  readonly spreadMovesMax: number;
}

/**
 * - A lost host: all its instances start elsewhere, at once, because none of them serves.
 * - A draining host, and one on notice: per variant one instance at a time, whose replacement is ready before it stops.
 * - A cordoned host: nothing moves, and nothing is added.
 * - The home, which has started instances while no host was linked: of each endpoint one at a time moves to a host with room. It stays if
 *   that would spread its variant worse.
 * - A host that returns or joins: a healthy instance never moves for the sake of balance, with one exception. If a variant has more
 *   instances in a zone or on a host than the limits of its spread, an idle one of them moves to a host within the limits.
 */
export function planMoves(pool: HostPool, limits: MoveLimits): MovePlan {
  const { busyVariants, idleWorkers, stopgaps, movingVariants, stopgapMovesMax, spreadMovesMax } = limits;
  const after = new HostPool(
    pool.hosts.map(({ facts }) => facts),
    pool.workers(),
  );
  const [moves, pending, ending]: [WorkerMove[], PendingMove[], PlacedWorker[]] = [[], [], []];
  const busy = new Set(busyVariants);
  const busyEndpoints = new Set([...movingVariants].map(endpointOf));
  const move = (worker: PlacedWorker, cause: MoveCause, choice: HostChoice): void => {
    if (!choice.fits) {
      pending.push({ worker, cause, reason: choice.reason });
      return;
    }
    moves.push({ worker, cause, to: choice.host, reason: choice.reason });
    busy.add(worker.variant);
    busyEndpoints.add(endpointOf(worker.variant));
    // The replacement runs beside the old one, except if that one is lost.
    after.place({ ...worker, host: choice.host, ...(cause === 'host-lost' ? {} : { id: `${worker.id} (replacement)` }) });
  };
  for (const [worker, cause] of leaving(pool)) {
    if (worker.kind === 'function') ending.push(worker);
    else if (cause === 'host-lost' || !busy.has(worker.variant)) move(worker, cause, chooseFrom(after, worker));
  }
  const count = (of: MoveCause): number => moves.filter(({ cause }) => cause === of).length;
  for (const worker of staying(pool, stopgaps)) {
    if (count('stopgap') >= stopgapMovesMax) break;
    if (busy.has(worker.variant) || busyEndpoints.has(endpointOf(worker.variant))) continue;
    const choice = chooseOther(after, worker);
    if (choice !== null) move(worker, 'stopgap', choice);
  }
  for (const worker of staying(pool, idleWorkers)) {
    if (count('spread') >= spreadMovesMax) break;
    if (busy.has(worker.variant)) continue;
    const choice = chooseForSpread(after, worker);
    if (choice !== null) move(worker, 'spread', choice);
  }
  return { moves, pending, ending };
}

/** Those instances that nothing forces to leave, by id. */
function staying(pool: HostPool, ids: ReadonlySet<string>): PlacedWorker[] {
  const workers = [...ids].map((id) => pool.worker(id)).filter((worker) => worker !== undefined);
  return workers.filter((worker) => worker.kind === 'instance' && causeOf(pool, worker) === null).sort(compareIds);
}

/** The variant of a worker begins with its endpoint. */
function endpointOf(variant: string): string {
  return variant.split('/', 1)[0] ?? variant;
}

/** The most urgent first. */
const causes: readonly MoveCause[] = ['host-lost', 'host-on-notice', 'host-draining'];

/** Workers of hosts that do not keep them: of lost hosts first. */
function leaving(pool: HostPool): (readonly [PlacedWorker, MoveCause])[] {
  const found = byId(pool).flatMap((worker) => {
    const cause = causeOf(pool, worker);
    return cause === null ? [] : [[worker, cause] as const];
  });
  return found.sort(([, one], [, other]) => causes.indexOf(one) - causes.indexOf(other));
}

/** An unknown host is a lost one. */
function causeOf(pool: HostPool, worker: PlacedWorker): MoveCause | null {
  const facts = pool.host(worker.host)?.facts;
  if (facts === undefined || facts.state === 'lost') return 'host-lost';
  if (keepsWorkers(facts)) return null;
  return facts.isOnNotice ? 'host-on-notice' : 'host-draining';
}

function byId(pool: HostPool): PlacedWorker[] {
  return [...pool.workers()].sort(compareIds);
}

function compareIds(a: PlacedWorker, b: PlacedWorker): number {
  return a.id < b.id ? -1 : 1;
}
