/** A host as its operators see it: what its link shows, and what they want of it. Pure. */
import { clockNote } from '../cluster/index.ts';
import type { HostState, WantedHostState } from './host.ts';
import type { KnownHost } from './host-states.ts';
import { type HostTask, hostFactsOf, type ObservedHost, type UnplacedWorker } from './hosts-view.ts';

/** A host that was linked to this home, or one of an earlier home. */
type ListedHost = Omit<ObservedHost, 'silentMs'> & {
  /** Null if the host has not been linked to this home. */
  readonly silentMs: number | null;
};

/** A host with what it has, what is used of it, and how it is linked. */
export interface HostStatus extends Omit<ListedHost, 'version' | 'hostTasks'> {
  readonly state: HostState;
  /** Epoch milliseconds; null for a host that is not stored yet. */
  readonly sinceMs: number | null;
  /** What its workers and its running tasks reserve. */
  readonly cpuUsedMilli: number;
  readonly memoryUsedMiB: number;
  readonly hostTasks: readonly HostTask[];
  /** When its agent stops, epoch milliseconds; null unless it got SIGTERM. It drains until then. */
  readonly endsAtMs: number | null;
  /** Of its agent; null for the machine of the home, and if the host has not been linked to this home. */
  readonly version: string | null;
  /** By how much its clock is ahead of that of the database; null if it is not known. */
  readonly clockOffsetMs: number | null;
  /** While it drains: why its workers cannot leave. */
  readonly blocked: readonly UnplacedWorker[];
}

/** What is known besides the host itself. */
export interface HostContext {
  readonly wanted: WantedHostState;
  readonly sinceMs: number | null;
  /** All workers that wait for room. */
  readonly pending: readonly UnplacedWorker[];
  readonly wallMs: number;
  /** By how much the clock of the home is ahead of that of the database. */
  readonly homeOffsetMs: number;
}

export function describeHost(host: ListedHost, { wanted, sinceMs, pending, wallMs, homeOffsetMs }: HostContext): HostStatus {
  const { workers, endsInMs, clockAheadMs, version = null, hostTasks = [], tasks = { cpuMilli: 0, memoryMiB: 0 } } = host;
  const ids = new Set(workers.map(({ id }) => id));
  return {
    ...host,
    version,
    hostTasks,
    sinceMs,
    state: hostFactsOf(host, wanted).state,
    clockOffsetMs: clockAheadMs === null ? null : clockAheadMs + homeOffsetMs,
    endsAtMs: endsInMs === null ? null : wallMs + endsInMs,
    cpuUsedMilli: workers.reduce((sum, worker) => sum + worker.cpuMilli, tasks.cpuMilli),
    memoryUsedMiB: workers.reduce((sum, worker) => sum + worker.memoryMiB, tasks.memoryMiB),
    blocked: pending.filter(({ worker }) => ids.has(worker)),
  };
}

/** A host of an earlier home, which has not linked to this one. */
export function absentHost({ name, zone, cpuMilli, memoryMiB }: KnownHost): ListedHost {
  return {
    name,
    zone,
    cpuMilli,
    memoryMiB,
    accelerators: {},
    artifacts: new Set(),
    warmWorkers: 0,
    isLastResort: false,
    isHome: false,
    takesWorkers: true,
    isLeaving: false,
    link: 'lost',
    silentMs: null,
    lagMs: null,
    clockAheadMs: null,
    endsInMs: null,
    address: null,
    workers: [],
  };
}

const namesMax = 5;

/** What an operator should know or do about hosts: a sentence for each cause. */
export function hostNotes(hosts: readonly HostStatus[], pending: readonly UnplacedWorker[]): string[] {
  const lost = hosts.filter(({ state }) => state === 'lost').map(({ name }) => name);
  const clocks = hosts.flatMap(({ name, clockOffsetMs }) =>
    clockOffsetMs === null ? [] : (clockNote(`host ${name}`, clockOffsetMs) ?? []),
  );
  return [...lostNotes(lost), ...pendingNotes(pending), ...clocks];
}

function lostNotes(names: readonly string[]): string[] {
  const [only] = names;
  if (only === undefined) return [];
  if (names.length === 1)
    return [`host ${only} is lost, and its workers run elsewhere: start it again, or run penstock cluster remove ${only}`];
  const shown = `${names.slice(0, namesMax).join(', ')}${names.length > namesMax ? ', …' : ''}`;
  return [`${names.length} hosts are lost, and their workers run elsewhere (${shown}): start them again, or remove them`];
}

function pendingNotes(pending: readonly UnplacedWorker[]): string[] {
  const [first] = pending;
  if (first === undefined) return [];
  const many = pending.length === 1 ? `${first.worker} waits` : `${pending.length} workers wait`;
  return [`${many} for room on a host: start another host, or see penstock cluster status`];
}
