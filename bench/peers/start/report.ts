/** The table of starts in bench/README.md. */
import { median } from '../../load/latencies.ts';
import type { LoadCell, PeersResults } from '../rounds.ts';
import { cellsOf, disturbance, markdown, over, page, percent, ratiosOf, ratioText, serversOf, whole } from '../table.ts';

export interface StartCell extends LoadCell {
  /** Until the server says that it is ready; null if it says nothing. */
  readonly readyMs: number | null;
  /** Until it answers an inference. */
  readonly answerMs: number;
  /** Responses of each second under full load from then on. */
  readonly perSecond: readonly number[];
}

const fullShare = 0.9;
const fullSeconds = 3;

/** The rate of the last seconds. */
export const fullRate = ({ perSecond }: StartCell): number => median(perSecond.slice(-fullSeconds));

/** Whole seconds under load before the first one at 90 % of the full rate. */
export function secondsToFull(cell: StartCell): number {
  const full = fullRate(cell);
  return cell.perSecond.findIndex((rate) => rate >= fullShare * full);
}

function rowOf(rounds: PeersResults<StartCell>['rounds'], server: string): string[] {
  const cells = cellsOf(rounds, server);
  const ready = cells.flatMap(({ readyMs }) => readyMs ?? []);
  const first = (cell: StartCell): number => (cell.perSecond[0] ?? Number.NaN) / fullRate(cell);
  return [
    server,
    ready.length === 0 ? '' : `${whole(median(ready))} ms`,
    `${whole(over(cells, ({ answerMs }) => answerMs))} ms${ratioText(ratiosOf(rounds, server, (ours, theirs) => theirs.answerMs / ours.answerMs))}`,
    `${over(cells, secondsToFull)} s`,
    percent(over(cells, first)),
    `${whole(over(cells, fullRate))}/s${disturbance(cells)}`,
  ];
}

export function startTable(results: PeersResults<StartCell>): string {
  const explanation =
    '`digits_mlp`, deployed before: from the start of the process to its ready line (where it has one) and to its first response; then the seconds of load of 64 clients before the first second with 90 % of the full rate, ' +
    'the first second as a share of it, and the full rate (median of the last three of ten seconds). Ratio: the first response of the server by that of Penstock. Wanted: ready in 1.5 s, 90 % after 2 s of load.';
  const header = ['', 'ready', 'first response', '90 % after', 'first second', 'full rate'];
  return page(results, explanation, [
    markdown(
      header,
      serversOf(results.rounds).map((server) => rowOf(results.rounds, server)),
    ),
  ]);
}
