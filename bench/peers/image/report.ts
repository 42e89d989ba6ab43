/** The table of images in bench/README.md. */
import type { LoadCell, PeersResults } from '../rounds.ts';
import { cellsOf, disturbance, markdown, over, page, percent, ratiosOf, ratioText, serversOf, whole } from '../table.ts';

export const instanceCounts = [1, 2] as const;

export interface ImageCell extends LoadCell {
  readonly instances: number;
  readonly ratePerSecond: number;
  readonly p99Ms: number;
  /** CPU time of all processes of the server per image. */
  readonly cpuMsPerImage: number;
  /** Before and after: the mean of the rates, and of the CPU time per image. */
  readonly barePerSecond: number;
  readonly bareCpuMsPerImage: number;
}

/** Of the rate of onnxruntime alone in the same minute. */
export const shareOfBare = ({ ratePerSecond, barePerSecond }: ImageCell): number => ratePerSecond / barePerSecond;
/** Processor time of an image that is not the model's. */
export const cpuMsBeyondBare = ({ cpuMsPerImage, bareCpuMsPerImage }: ImageCell): number => cpuMsPerImage - bareCpuMsPerImage;

function cellText(rounds: PeersResults<ImageCell>['rounds'], server: string, instances: number): string {
  const isOf = (cell: ImageCell): boolean => cell.instances === instances;
  const cells = cellsOf(rounds, server, isOf);
  if (cells.length === 0) return '';
  const ratios = ratiosOf(rounds, server, (ours, theirs) => shareOfBare(ours) / shareOfBare(theirs), isOf);
  const figures = [
    `${whole(over(cells, ({ ratePerSecond }) => ratePerSecond))}/s`,
    `${percent(over(cells, shareOfBare))} of bare`,
    `p99 ${whole(over(cells, ({ p99Ms }) => p99Ms))} ms`,
    `${over(cells, cpuMsBeyondBare).toFixed(2)} ms`,
  ];
  return `${figures.join(', ')}${ratioText(ratios)}${disturbance(cells)}`;
}

export function imageTable(results: PeersResults<ImageCell>): string {
  const explanation =
    'An image of 600 kB through `loadtest_cnn_224`, four clients for each instance. Each cell: images, share of the rate of bare onnxruntime ' +
    '(as many processes of one thread, before and after), p99, CPU time of the server per image beyond bare, and the share of Penstock by that of the server (range of the rounds). ' +
    'Wanted: 98 % and 0.5 ms with one instance, 97 % with two.';
  const rows = serversOf(results.rounds).map((server) => [
    server,
    ...instanceCounts.map((count) => cellText(results.rounds, server, count)),
  ]);
  return page(results, explanation, [markdown(['', '1 instance', '2 instances'], rows)]);
}
