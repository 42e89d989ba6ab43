/** Figures of a cluster as tables. */
import { type LatencySummary, median } from '../load/latencies.ts';
import type { Machine } from '../machine.ts';

export interface HostsFigures {
  readonly hosts: number;
  readonly round: number;
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  /** Processor time by request, in microseconds. */
  readonly cpuUs: { readonly home: number; readonly fronts: number; readonly agents: number; readonly workers: number };
}

export interface NodesFigures {
  /** Of the capacity of all workers. */
  readonly share: number;
  readonly requests: number;
  /** Of one server. */
  readonly alone: LatencySummary;
  readonly cluster: LatencySummary;
}

export interface ClusterResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly hosts: readonly HostsFigures[];
  readonly nodes: readonly NodesFigures[];
}

export function clusterTable({ at, commit, machine, rounds, hosts, nodes }: ClusterResults): string {
  const counts = [...new Set(hosts.map((each) => each.hosts))];
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${machine.cores} cores (${machine.cpu}, Node ${machine.node}), all processes on one machine; ${rounds} rounds.`,
    '',
    'One node, and hosts with a worker each that sleeps for 10 ms; closed loop, medians. Wanted: at least 95 % of linear.',
    '',
    '| hosts | answers/s | of linear | p50 ms | CPU us/request: home | front processes | agents | workers |',
    '|---|---|---|---|---|---|---|---|',
    ...counts.map((count) => hostsRow(hosts, count)),
    '',
    'Four workers that sleep for 50 ms: of one server, and of four hosts behind three nodes; open loop with the same arrivals, spread over all nodes. Wanted: p95 at most 1.15 x.',
    '',
    '| load | requests | one server p50 / p95 / p99 ms | three nodes p50 / p95 / p99 ms | p95, ratio |',
    '|---|---|---|---|---|',
    ...nodes.map(nodesRow),
  ].join('\n');
}

function hostsRow(measured: readonly HostsFigures[], count: number): string {
  const runs = measured.filter(({ hosts }) => hosts === count);
  const of = (value: (run: HostsFigures) => number): number => median(runs.map(value));
  const rate = of((run) => run.ratePerSecond);
  const single = median(measured.filter(({ hosts }) => hosts === 1).map((run) => run.ratePerSecond));
  const times = (['home', 'fronts', 'agents', 'workers'] as const).map((role) => of(({ cpuUs }) => cpuUs[role]).toFixed(0));
  return `| ${count} | ${rate.toFixed(1)} | ${((100 * rate) / (count * single)).toFixed(1)} % | ${of((run) => run.p50Ms).toFixed(1)} | ${times.join(' | ')} |`;
}

function nodesRow({ share, requests, alone, cluster }: NodesFigures): string {
  const text = ({ p50, p95, p99 }: LatencySummary): string => [p50, p95, p99].map((ms) => ms.toFixed(1)).join(' / ');
  return `| ${Math.round(100 * share)} % | ${requests} | ${text(alone)} | ${text(cluster)} | ${(cluster.p95 / alone.p95).toFixed(2)} x |`;
}
