import type { Machine } from '../machine.ts';

/** Figures of one model; each list has the seconds of each run. */
export interface TransformFigures {
  readonly model: string;
  readonly megabytes: number;
  readonly rows: number;
  readonly batchRows: number;
  /** From start to end of the transform, including the start of its worker, on an instance with one thread per core. */
  readonly seconds: readonly number[];
  /** Null if its packages are not available. */
  readonly arrowSeconds: readonly number[] | null;
  readonly nodeSeconds: readonly number[];
  readonly aloneSeconds: readonly number[];
}

export interface TransformResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly figures: readonly TransformFigures[];
}

/** The target as a share of the better script's rate. */
export const targetShare = 0.8;

export function shareOfScript({ seconds, arrowSeconds, nodeSeconds }: TransformFigures): number {
  return Math.min(median(nodeSeconds), median(arrowSeconds ?? [Number.POSITIVE_INFINITY])) / median(seconds);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] as number;
}

export function transformTable({ at, commit, machine, figures }: TransformResults): string {
  const { cores, cpu, memoryGiB, node } = machine;
  const runs = Math.max(...figures.map(({ seconds }) => seconds.length));
  const percent = (share: number): string => `${Math.round(100 * share)} %`;
  const lines = figures.map((each) => {
    const { model, megabytes, rows, batchRows, seconds, arrowSeconds, nodeSeconds, aloneSeconds } = each;
    const rate = (times: readonly number[]): string => `${Math.round(rows / median(times)).toLocaleString('en-US')}/s`;
    const share = shareOfScript(each);
    const cells = [
      `\`${model}\`, ${megabytes} MB, ${rows.toLocaleString('en-US')} rows`,
      `${rate(seconds)}, ${median(seconds).toFixed(1)} s, ${batchRows} rows per run`,
      arrowSeconds === null ? 'skipped' : `${rate(arrowSeconds)}, ${median(arrowSeconds).toFixed(1)} s`,
      `${rate(nodeSeconds)}, ${median(nodeSeconds).toFixed(1)} s`,
      `${percent(share)}${share < targetShare ? ', **below target**' : ''}`,
      `${rate(aloneSeconds)}, ${percent(median(aloneSeconds) / median(seconds))} of it`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${cores} cores (${cpu}, ${memoryGiB} GiB, Node ${node}), ${runs === 1 ? 'one run' : `medians of ${runs} runs`}. ` +
      `Target: at least ${percent(targetShare)} of the better script.`,
    '',
    '| model, CSV | `penstock transform` | script: Arrow, onnxruntime | script: Node, onnxruntime | of the better script | onnxruntime alone, from memory |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
