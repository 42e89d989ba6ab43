import type { Machine } from '../machine.ts';
import type { PlainReport } from './plain-script.ts';

export interface TransformFigures {
  readonly model: string;
  readonly megabytes: number;
  readonly rows: number;
  readonly batchRows: number;
  /** From the start of the transform to its end, the start of its worker included. */
  readonly seconds: number;
  readonly plain: PlainReport;
}

export interface TransformResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly figures: readonly TransformFigures[];
}

export function transformTable({ at, commit, machine, figures }: TransformResults): string {
  const { cores, cpu, memoryGiB, node } = machine;
  const rate = (rows: number, seconds: number): string => `${Math.round(rows / seconds).toLocaleString('en-US')}/s`;
  const lines = figures.map(({ model, megabytes, rows, batchRows, seconds, plain }) => {
    const cells = [
      `\`${model}\`, ${megabytes} MB`,
      rows.toLocaleString('en-US'),
      `${rate(rows, seconds)}, ${batchRows} rows a run`,
      rate(rows, plain.seconds),
      `${Math.round((100 * plain.seconds) / seconds)} %`,
      `${rate(rows, plain.runSeconds)}, ${Math.round((100 * plain.runSeconds) / seconds)} %`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${cores} cores (${cpu}, ${memoryGiB} GiB, Node ${node}). Wanted: at least 80 % of a plain script that does the same job.`,
    '',
    '| model, CSV | rows | `penstock transform` | plain script with onnxruntime | of its rate | onnxruntime alone, reading and writing left out |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
