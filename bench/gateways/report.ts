/** Figures of gateway processes, and what follows from them for larger machines. */
import { median } from '../load/latencies.ts';
import type { Machine } from '../machine.ts';

export const connectionCounts = [1, 64, 256] as const;

export interface GatewayFigures {
  readonly gateways: number;
  readonly concurrency: number;
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time by request, in microseconds; `homeThread` is the part of `home` that its main thread spends, `others` are the workers. */
  readonly cpuUs: { readonly home: number; readonly homeThread: number; readonly gateways: number; readonly others: number };
}

export interface GatewayResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly measured: readonly GatewayFigures[];
}

export function gatewaysTable({ at, commit, machine, measured }: GatewayResults): string {
  const cells = [1, 2].flatMap((gateways) => connectionCounts.map((concurrency) => cellOf(measured, gateways, concurrency)));
  const rows = cells.map(({ gateways, concurrency, ratePerSecond, p50Ms, p99Ms, cpuUs }) => {
    const times = [cpuUs.home, cpuUs.homeThread, cpuUs.gateways, cpuUs.others].map((us) => us.toFixed(1)).join(' | ');
    return `| ${gateways} | ${concurrency} | ${Math.round(ratePerSecond)} | ${p50Ms.toFixed(2)} | ${p99Ms.toFixed(2)} | ${times} |`;
  });
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${machine.cores} cores (${machine.cpu}, Node ${machine.node}). \`digits_mlp\`, JSON, closed loop, the generator beside the server; medians of ${measured.length / 2 / connectionCounts.length} rounds.`,
    '',
    '| gateways | connections | answers/s | p50 ms | p99 ms | CPU us/request: server | its main thread | gateway processes | workers |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    '**Computed, not measured**, from the processor times at 256 connections: the highest rate on that number of cores, without the generator. The main thread of the server limits its part; its other threads compile and collect garbage on cores that are free. One process alone is limited by its main thread.',
    '',
    '| cores | gateways | answers/s, computed | of one process | limited by |',
    '|---|---|---|---|---|',
    ...[
      { cores: 2, gateways: 2 },
      { cores: 8, gateways: 2 },
      { cores: 8, gateways: 4 },
      { cores: 16, gateways: 4 },
    ].map((machineOf) => computedRow(cellOf(measured, 2, 256), 1e6 / cellOf(measured, 1, 256).cpuUs.homeThread, machineOf)),
  ].join('\n');
}

function cellOf(measured: readonly GatewayFigures[], gateways: number, concurrency: number): GatewayFigures {
  const runs = measured.filter((each) => each.gateways === gateways && each.concurrency === concurrency);
  const of = (value: (run: GatewayFigures) => number): number => median(runs.map(value));
  return {
    gateways,
    concurrency,
    ratePerSecond: of((run) => run.ratePerSecond),
    p50Ms: of((run) => run.p50Ms),
    p99Ms: of((run) => run.p99Ms),
    cpuUs: {
      home: of((run) => run.cpuUs.home),
      homeThread: of((run) => run.cpuUs.homeThread),
      gateways: of((run) => run.cpuUs.gateways),
      others: of((run) => run.cpuUs.others),
    },
  };
}

/** Each gateway process is a thread, as the server is; workers take the cores that are left. `aloneRate`: answers a second of one process. */
function computedRow(
  { cpuUs: { home, homeThread, gateways: front, others } }: GatewayFigures,
  aloneRate: number,
  { cores, gateways }: { readonly cores: number; readonly gateways: number },
): string {
  const limits = {
    'the server': 1e6 / homeThread,
    'gateway processes': (gateways * 1e6) / front,
    cores: (cores * 1e6) / (home + front + others),
  };
  const [by, rate] = Object.entries(limits).reduce((least, each) => (each[1] < least[1] ? each : least));
  return `| ${cores} | ${gateways} | ${Math.round(rate / 1000)}k | ${(rate / aloneRate).toFixed(1)} x | ${by} |`;
}
