/** The table of overload in bench/README.md. */
import type { LoadCell, PeersResults } from '../rounds.ts';
import { cellsOf, disturbance, markdown, msText, over, page, percent, ratiosOf, ratioText, serversOf, whole } from '../table.ts';

export const limitMs = 50;

export interface OverloadCell extends LoadCell {
  /** With 64 clients, the default settings of the server, and its CPU time for each of these responses. */
  readonly peakPerSecond: number;
  readonly peakP99Ms: number;
  readonly cpuUsPerRequest: number;
  readonly offeredPerSecond: number;
  /** Share of all requests that the client had answered within the limit. */
  readonly inTime: number;
  /** Responses, of which some are late. */
  readonly answered: number;
  readonly p95Ms: number;
  readonly maxMs: number;
  readonly generatorCpu: number;
}

/** Responses in time, as a share of what the server answers with 64 clients. */
export const goodputOfPeak = ({ inTime, offeredPerSecond, peakPerSecond }: OverloadCell): number =>
  (inTime * offeredPerSecond) / peakPerSecond;
/** Of the requests that were answered at all. */
export const inTimeOfAnswered = ({ inTime, answered }: OverloadCell): number => (answered === 0 ? 0 : inTime / answered);

function rowOf(rounds: PeersResults<OverloadCell>['rounds'], server: string): string[] {
  const cells = cellsOf(rounds, server);
  const peaks = ratiosOf(rounds, server, (ours, theirs) => ours.peakPerSecond / theirs.peakPerSecond);
  const goodputs = ratiosOf(rounds, server, (ours, theirs) => goodputOfPeak(ours) / goodputOfPeak(theirs));
  return [
    server,
    `${whole(over(cells, ({ peakPerSecond }) => peakPerSecond))}/s, p99 ${msText(over(cells, ({ peakP99Ms }) => peakP99Ms))} ms, ${whole(over(cells, ({ cpuUsPerRequest }) => cpuUsPerRequest))} us${ratioText(peaks)}`,
    `${percent(over(cells, goodputOfPeak))}${ratioText(goodputs)}`,
    percent(over(cells, inTimeOfAnswered)),
    percent(over(cells, ({ answered }) => answered)),
    `${msText(over(cells, ({ p95Ms }) => p95Ms))}, ${msText(over(cells, ({ maxMs }) => maxMs))} ms${disturbance(cells)}`,
  ];
}

export function overloadTable(results: PeersResults<OverloadCell>): string {
  const explanation =
    'The wide MLP (`loadtest_wide_mlp`, rows of 12 kB): the peak is what 64 clients get, with p99 and CPU time of the server per request. Then twice the own peak of each server arrives as an open loop (Poisson); ' +
    `the client judges what is in time (${limitMs} ms), for all alike. Wanted: goodput of 93 % of the peak by default, with \`late: shed\` 100 %, 99.5 % of the answers in time. ` +
    'Ratios: the peak of Penstock by that of the server, and its share of goodput by that of the server.';
  const header = ['', 'peak', 'goodput, of the peak', 'answers in time', 'answered', 'answers: p95, max'];
  return page(results, explanation, [
    markdown(
      header,
      serversOf(results.rounds).map((server) => rowOf(results.rounds, server)),
    ),
  ]);
}
