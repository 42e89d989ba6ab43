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
  /** Processor time by request, in microseconds; `others` are the workers. */
  readonly cpuUs: { readonly home: number; readonly gateways: number; readonly others: number };
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
    const times = [cpuUs.home, cpuUs.gateways, cpuUs.others].map((us) => us.toFixed(1)).join(' | ');
    return `| ${gateways} | ${concurrency} | ${Math.round(ratePerSecond)} | ${p50Ms.toFixed(2)} | ${p99Ms.toFixed(2)} | ${times} |`;
  });
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${machine.cores} cores (${machine.cpu}, Node ${machine.node}). \`digits_mlp\`, JSON, closed loop, the generator beside the server; medians of ${measured.length / 2 / connectionCounts.length} rounds.`,
    '',
    '| gateways | connections | answers/s | p50 ms | p99 ms | CPU us/request: server | gateway processes | workers |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    `**Computed, not measured**, from the processor times at 256 connections with two gateway processes: the highest rate of N gateway processes on that number of cores, without the generator.`,
    '',
    '| cores | gateways | answers/s, computed | limited by |',
    '|---|---|---|---|',
    ...[2, 8, 16].map((cores) => computedRow(cellOf(measured, 2, 256), cores)),
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
    cpuUs: { home: of((run) => run.cpuUs.home), gateways: of((run) => run.cpuUs.gateways), others: of((run) => run.cpuUs.others) },
  };
}

/** The server is one thread, each gateway process another; workers take the cores that are left. */
function computedRow({ cpuUs: { home, gateways: front, others } }: GatewayFigures, cores: number): string {
  const best = Array.from({ length: cores }, (_, index) => index + 1)
    .map((gateways) => {
      const limits = {
        'the server': 1e6 / home,
        'gateway processes': (gateways * 1e6) / front,
        cores: (cores * 1e6) / (home + front + others),
      };
      const [by, rate] = Object.entries(limits).reduce((least, each) => (each[1] < least[1] ? each : least));
      return { gateways, by, rate };
    })
    .reduce((most, each) => (each.rate > most.rate * 1.01 ? each : most));
  return `| ${cores} | ${best.gateways} | ${Math.round(best.rate / 1000)}k | ${best.by} |`;
}
