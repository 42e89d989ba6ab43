import type { Machine } from '../machine.ts';

/** Seconds of each run. */
export interface TransformFigures {
  readonly model: string;
  readonly megabytes: number;
  readonly rows: number;
  readonly batchRows: number;
  /** From the start of the transform to its end, the start of its worker included; on an instance of as many threads as there are cores. */
  readonly seconds: readonly number[];
  /** Null where its packages cannot be had. */
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

/** Of the better script's rate. */
export const wantedShare = 0.8;

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
      `${rate(seconds)}, ${median(seconds).toFixed(1)} s, ${batchRows} rows a run`,
      arrowSeconds === null ? 'left out' : `${rate(arrowSeconds)}, ${median(arrowSeconds).toFixed(1)} s`,
      `${rate(nodeSeconds)}, ${median(nodeSeconds).toFixed(1)} s`,
      `${percent(share)}${share < wantedShare ? ', **too little**' : ''}`,
      `${rate(aloneSeconds)}, ${percent(median(aloneSeconds) / median(seconds))} of it`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    `${at.slice(0, 10)}, commit ${commit}, ${cores} cores (${cpu}, ${memoryGiB} GiB, Node ${node}), ${runs === 1 ? 'one run' : `medians of ${runs} runs`}. ` +
      `Wanted: at least ${percent(wantedShare)} of the better script.`,
    '',
    '| model, CSV | `penstock transform` | script: Arrow, onnxruntime | script: Node, onnxruntime | of the better script | onnxruntime alone, from memory |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
