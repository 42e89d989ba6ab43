/** The gRPC table in bench/README.md. */
import type { Machine } from '../machine.ts';

export interface GrpcFigures {
  readonly what: string;
  readonly ratePerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Gateway and workers together. */
  readonly cpuUsPerRequest: number;
}

interface GrpcResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly measured: readonly GrpcFigures[];
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');

export function grpcTable({ at, commit, machine, measured }: GrpcResults): string {
  const { cores, cpu, node } = machine;
  const head = `${at.slice(0, 10)}, commit ${commit}, ${cores} cores (${cpu}, Node ${node}), h2load on the same machine:`;
  const rows = measured.map((figures) => [
    figures.what,
    `${whole(figures.ratePerSecond)}/s`,
    `${figures.p50Ms.toFixed(1)} ms`,
    `${figures.p99Ms.toFixed(1)} ms`,
    `${whole(figures.cpuUsPerRequest)} us`,
  ]);
  const titles = ['digits-mlp, 64 floats, unless noted', 'responses', 'p50', 'p99', 'server CPU per request'];
  const table = [titles, titles.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  return `${head}\n\n${table}`;
}
