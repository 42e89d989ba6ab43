/** `npm run bench -- placement`: rounds of placement over 1,000 hosts with the code that serves, and the writes of such a cluster, on paper. */
import {
  chooseFrom,
  type HostFacts,
  HostPool,
  hostsWanted,
  type MoveLimits,
  type PlacedWorker,
  type PlacementRequest,
  planMoves,
} from '../../src/hosts/index.ts';
import { commit, type Machine, machine } from '../machine.ts';
import { writeResults } from '../results.ts';
import { postgresWrites, type WriteLoad } from './postgres-writes.ts';

const [hostCount, workerCount, zones, runs] = [1000, 10_000, 3, 5];

interface Row {
  readonly what: string;
  /** Median of the runs. */
  readonly ms: number;
  readonly note: string;
}

interface Results {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly rows: readonly Row[];
  readonly writes: readonly WriteLoad[];
}

export function placementBench({ isDry }: { readonly isDry: boolean }): void {
  const rows = [placeAll(), chooseOne(), loseHosts(), restAtPeace(), countHosts()];
  const results = {
    at: new Date().toISOString(),
    commit: commit(),
    machine: machine(),
    rows,
    writes: postgresWrites(hostCount, workerCount),
  };
  const text = table(results);
  console.log(text);
  if (!isDry) writeResults('placement', results, text);
}

/** 16 vCPU and 64 GiB each, in three zones. One in 50 is cordoned. */
function hosts(lost = 0): HostFacts[] {
  return Array.from({ length: hostCount }, (_, i) => ({
    name: `host-${String(i).padStart(4, '0')}`,
    zone: `zone-${i % zones}`,
    state: i < lost ? 'lost' : i % 50 === 49 ? 'cordoned' : 'ready',
    cpuMilli: 16_000,
    memoryMiB: 65_536,
    accelerators: {},
    artifacts: new Set(),
    warmWorkers: i % 2,
    isOnNotice: false,
    isLastResort: false,
  }));
}

/** Two instances of each of 3,500 variants, and 3,000 functions. */
function requests(): (PlacementRequest & { readonly id: string })[] {
  return Array.from({ length: workerCount }, (_, i) => {
    const isFunction = i % 10 >= 7;
    const variant = `endpoint-${Math.floor(i / 20) * 10 + (i % 10)}/a`;
    const size = isFunction ? { cpuMilli: 500, memoryMiB: 1024 } : { cpuMilli: 1000, memoryMiB: 4096 };
    return {
      id: `worker-${i}`,
      variant,
      kind: isFunction ? 'function' : 'instance',
      artifact: variant,
      instances: 2,
      accelerator: null,
      ...size,
    };
  });
}

function filled(): PlacedWorker[] {
  const pool = new HostPool(hosts());
  for (const request of requests()) {
    const choice = chooseFrom(pool, request);
    if (choice.fits) pool.place({ ...request, host: choice.host });
  }
  return [...pool.workers()];
}

function placeAll(): Row {
  let placed = 0;
  const ms = medianMs(() => (placed = filled().length));
  return { what: `place ${workerCount} workers on ${hostCount} empty hosts`, ms, note: `${placed} placed` };
}

function chooseOne(): Row {
  const pool = new HostPool(hosts(), filled());
  const [request] = requests();
  const times = 1000;
  const ms = medianMs(() => {
    for (let i = 0; i < times; i++) if (request !== undefined) chooseFrom(pool, request);
  });
  return { what: 'choose the host of one worker', ms: ms / times, note: `${workerCount} others placed` };
}

function loseHosts(): Row {
  const workers = filled();
  let note = '';
  const ms = medianMs(() => {
    const { moves, pending } = planMoves(new HostPool(hosts(100), workers), limits(new Set()));
    note = `${moves.length} instances move, ${pending.length} find no host`;
  });
  return { what: 'plan after 100 hosts are lost', ms, note };
}

function restAtPeace(): Row {
  const workers = filled();
  const idleWorkers = new Set(workers.map(({ id }) => id));
  let note = '';
  const ms = medianMs(() => {
    const { moves } = planMoves(new HostPool(hosts(), workers), limits(idleWorkers));
    note = `${moves.length} instances move`;
  });
  return { what: 'plan while nothing changed, all instances idle', ms, note };
}

function limits(idleWorkers: ReadonlySet<string>): MoveLimits {
  const none: ReadonlySet<string> = new Set();
  return { busyVariants: none, movingVariants: none, stopgaps: none, idleWorkers, stopgapMovesMax: 4, spreadMovesMax: 2 };
}

function countHosts(): Row {
  const demand = requests();
  let note = '';
  const ms = medianMs(() => {
    const { packed, spare } = hostsWanted(demand, { cpuMilli: 16_000, memoryMiB: 65_536 }, zones);
    note = `${packed} full hosts and ${spare} to spare`;
  });
  return { what: `count the hosts that ${workerCount} workers need`, ms, note };
}

function medianMs(run: () => void): number {
  const measured = Array.from({ length: runs }, () => {
    const startMs = performance.now();
    run();
    return performance.now() - startMs;
  });
  return measured.sort((a, b) => a - b)[Math.floor(runs / 2)] ?? Number.NaN;
}

function table({ at, commit: measured, machine: { cpu, cores }, rows, writes }: Results): string {
  const line = (...cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const total = writes.reduce((sum, { perSecond }) => sum + perSecond, 0);
  return [
    `${at.slice(0, 10)}, commit ${measured}: medians of ${runs} runs, one thread of ${cores} cores (${cpu}). Wanted: a round in at most 1 s.`,
    '',
    line('round', 'takes', 'result'),
    line('---', '---', '---'),
    ...rows.map(({ what, ms, note }) => line(what, ms < 10 ? `${ms.toFixed(3)} ms` : `${ms.toFixed(0)} ms`, note)),
    '',
    `On paper: what one home with ${hostCount} hosts and ${workerCount} endpoints writes to PostgreSQL. Wanted: at most 3,000/s.`,
    '',
    line('rows', 'writes/s', 'from'),
    line('---', '---', '---'),
    ...writes.map(({ what, perSecond, from }) => line(what, perSecond.toFixed(0), from)),
    line('all', total.toFixed(0), ''),
  ].join('\n');
}
