/** How many hosts the workers and the tasks need. Pure. */
import type { HostFacts, WorkerSize } from './host.ts';

/** The size of a host. */
export type HostSize = Pick<HostFacts, 'cpuMilli' | 'memoryMiB'>;

/** The number of hosts of one size. */
export interface HostsWanted {
  readonly hosts: number;
  /** Hosts that workers and tasks fill. */
  readonly packed: number;
  /** One for each zone if there are workers, so that those of a lost host have room in its zone. */
  readonly spare: number;
  /** Workers and tasks that no host of the size can have. They are not counted. */
  readonly tooLarge: number;
  readonly reason: string;
}

/** What needs room on a host: a worker, or a task. */
export interface NeededRoom extends WorkerSize {
  readonly isTask?: boolean;
}

/**
 * Packs running and waiting workers and tasks into hosts of one size, by first fit in decreasing order of the scarcer of CPU and memory.
 * Forecasts are in the demand already, because scaling starts instances ahead of it.
 * Devices are not counted: a host with devices is chosen by its operator.
 */
export function hostsWanted(demand: readonly NeededRoom[], size: HostSize, zones: number): HostsWanted {
  const share = ({ cpuMilli, memoryMiB }: WorkerSize): number =>
    Math.max(cpuMilli / Math.max(1, size.cpuMilli), memoryMiB / Math.max(1, size.memoryMiB));
  const isPossible = ({ cpuMilli, memoryMiB }: WorkerSize): boolean => cpuMilli <= size.cpuMilli && memoryMiB <= size.memoryMiB;
  const fits = demand.filter(isPossible);
  const bins: { cpuMilli: number; memoryMiB: number }[] = [];
  let firstOpen = 0; // Bins before it have no room for any worker that is left.
  const smallest = { cpuMilli: Math.min(...fits.map((each) => each.cpuMilli)), memoryMiB: Math.min(...fits.map((each) => each.memoryMiB)) };
  const isFull = (bin: HostSize): boolean => bin.cpuMilli < smallest.cpuMilli || bin.memoryMiB < smallest.memoryMiB;
  for (const { cpuMilli, memoryMiB } of fits.toSorted((a, b) => share(b) - share(a))) {
    let index = firstOpen;
    let bin = bins[index];
    while (bin !== undefined && (bin.cpuMilli < cpuMilli || bin.memoryMiB < memoryMiB)) bin = bins[++index];
    if (bin === undefined) bins.push((bin = { ...size }));
    bin.cpuMilli -= cpuMilli;
    bin.memoryMiB -= memoryMiB;
    for (let first = bins[firstOpen]; first !== undefined && isFull(first); first = bins[firstOpen]) firstOpen++;
  }
  const tooLarge = demand.filter((each) => !isPossible(each));
  const packed = bins.length;
  const spare = fits.some(({ isTask }) => isTask !== true) ? zones : 0;
  const sizes = `${size.cpuMilli / 1000} vCPU and ${size.memoryMiB} MiB`;
  const toSpare = zones === 1 ? ', and one is to spare' : `, and each of ${zones} zones has one to spare`;
  const filled = `${countText(fits)} ${fits.length === 1 ? 'fills' : 'fill'} ${packed} ${packed === 1 ? 'host' : 'hosts'} of ${sizes}`;
  const text = fits.length === 0 ? `no worker or task needs a host of ${sizes}` : `${filled}${spare > 0 ? toSpare : ''}`;
  const left = `${countText(tooLarge)} ${tooLarge.length === 1 ? 'fits' : 'fit'} into no such host`;
  const reason = tooLarge.length > 0 ? `${text}; ${left}` : text;
  return { hosts: packed + spare, packed, spare, tooLarge: tooLarge.length, reason };
}

/** `3 workers and 1 task`. */
function countText(some: readonly NeededRoom[]): string {
  const tasks = some.filter(({ isTask }) => isTask === true).length;
  const counts = [
    { count: some.length - tasks, noun: 'worker' },
    { count: tasks, noun: 'task' },
  ].filter(({ count }) => count > 0);
  return counts.map(({ count, noun }) => `${count} ${noun}${count === 1 ? '' : 's'}`).join(' and ');
}

/** A host as it is counted: it is wanted as long as it may return. */
export interface CountedHost extends HostSize {
  readonly zone: string;
  /** Whether it is the machine of the home, which is no host that could be wanted. */
  readonly isHome: boolean;
  /** How long it has been lost; null if it is not. */
  readonly lostMs: number | null;
  readonly workers: readonly (WorkerSize & { readonly id: string; readonly isStopgap: boolean })[];
}

/** A host that was lost for less time is taken for one that will return: its zone is not given up, and no other one is wanted for it. */
const returnMsMax = 600_000;

/** What hosts are wanted for. */
export interface HostDemand {
  readonly hosts: readonly CountedHost[];
  /** Workers without a host, and those that wait to leave theirs. */
  readonly waiting: readonly (WorkerSize & { readonly worker: string })[];
  /** Tasks that wait for room on a host, and those that run on one. */
  readonly tasks: readonly WorkerSize[];
}

/**
 * The number that workers and tasks need. A worker that moves is on two hosts, and one that waits to leave its host is on it and waits: each
 * counts once. Null if no size is passed and no host is known, whose size could be wanted.
 */
export function countHostsWanted({ hosts, waiting, tasks }: HostDemand, wantedSize: HostSize | null = null): HostsWanted | null {
  const present = hosts.filter(({ isHome, lostMs }) => !isHome && (lostMs === null || lostMs < returnMsMax));
  const size = wantedSize ?? commonSize(present);
  if (size === null) return null;
  const demand = new Map<string, WorkerSize>(waiting.map((worker) => [worker.worker, worker]));
  for (const { isHome, workers } of hosts) {
    for (const worker of workers) if (!isHome || worker.isStopgap) demand.set(worker.id, worker);
  }
  const needed = [...demand.values(), ...tasks.map((task) => ({ ...task, isTask: true }))];
  return hostsWanted(needed, size, Math.max(1, new Set(present.map(({ zone }) => zone)).size));
}

/** The size that most hosts have; of equally frequent ones the largest. Null without hosts. */
export function commonSize(hosts: readonly HostSize[]): HostSize | null {
  const groups = [...Map.groupBy(hosts, ({ cpuMilli, memoryMiB }) => `${cpuMilli}/${memoryMiB}`).values()];
  const volume = (all: readonly HostSize[]): number => (all[0]?.cpuMilli ?? 0) * (all[0]?.memoryMiB ?? 0);
  const [most] = groups.sort((a, b) => b.length - a.length || volume(b) - volume(a));
  const first = most?.[0];
  return first === undefined ? null : { cpuMilli: first.cpuMilli, memoryMiB: first.memoryMiB };
}
