/** The table of servers on one core in bench/README.md. */
import type { LoadCell, PeersResults } from '../rounds.ts';
import { type Encoding, encodings } from '../subjects.ts';
import { cellsOf, disturbance, markdown, msText, over, page, ratiosOf, ratioText, serversOf, whole } from '../table.ts';

export interface OneCoreCell extends LoadCell {
  readonly encoding: Encoding;
  readonly ratePerSecond: number;
  readonly p99Ms: number;
  /** CPU time of all processes of the server per response. */
  readonly cpuUsPerRequest: number;
}

function cellText(rounds: PeersResults<OneCoreCell>['rounds'], server: string, encoding: Encoding): string {
  const isOf = (cell: OneCoreCell): boolean => cell.encoding === encoding;
  const cells = cellsOf(rounds, server, isOf);
  if (cells.length === 0) return '';
  const figures = `${whole(over(cells, ({ ratePerSecond }) => ratePerSecond))}/s, p99 ${msText(over(cells, ({ p99Ms }) => p99Ms))} ms`;
  const ratios = ratiosOf(rounds, server, (ours, theirs) => ours.ratePerSecond / theirs.ratePerSecond, isOf);
  return `${figures}, ${whole(over(cells, ({ cpuUsPerRequest }) => cpuUsPerRequest))} us${ratioText(ratios)}${disturbance(cells)}`;
}

export function oneCoreTable(results: PeersResults<OneCoreCell>): string {
  const explanation =
    'The small ONNX model, 64 clients; all processes of the server on one core, the generator on the other. Each cell: responses, p99, CPU time of the server per request, and the rate of Penstock by that of the server (range of the rounds). Wanted: 1.1 times mosec.';
  const servers = serversOf(results.rounds);
  return page(results, explanation, [
    markdown(
      ['', ...encodings],
      servers.map((server) => [server, ...encodings.map((encoding) => cellText(results.rounds, server, encoding))]),
    ),
  ]);
}
