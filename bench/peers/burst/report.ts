/** The table of bursts in bench/README.md. */
import type { LoadCell, PeersResults } from '../rounds.ts';
import { cellsOf, disturbance, markdown, msText, over, page, percent, ratiosOf, ratioText, serversOf, whole } from '../table.ts';

export const burst = { times: 5, forMs: 4000, limitMs: 50 } as const;
export type BurstModel = 'digits-mlp' | 'wide-mlp';

export interface BurstCell extends LoadCell {
  readonly model: BurstModel;
  /** Before the burst, and in it. */
  readonly quietPerSecond: number;
  readonly burstPerSecond: number;
  /** Of the requests of the burst. */
  readonly inTime: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly generatorCpu: number;
}

const models: readonly BurstModel[] = ['digits-mlp', 'wide-mlp'];

function cellText(rounds: PeersResults<BurstCell>['rounds'], server: string, model: BurstModel): string {
  const isOf = (cell: BurstCell): boolean => cell.model === model;
  const cells = cellsOf(rounds, server, isOf);
  if (cells.length === 0) return '';
  const ratios = ratiosOf(rounds, server, (ours, theirs) => theirs.p99Ms / ours.p99Ms, isOf);
  const latencies = `p95 ${msText(over(cells, ({ p95Ms }) => p95Ms))}, p99 ${msText(over(cells, ({ p99Ms }) => p99Ms))} ms`;
  return `${percent(over(cells, ({ inTime }) => inTime))} in time, ${latencies}${ratioText(ratios)}${disturbance(cells)}`;
}

/** Such as `digits-mlp, 800 -> 4,000/s`. */
function headerOf(rounds: PeersResults<BurstCell>['rounds'], model: BurstModel): string {
  const cells = rounds.flat().filter((cell) => cell.model === model);
  const at = (of: (cell: BurstCell) => number): string => whole(over(cells, of));
  return `${model}, ${at(({ quietPerSecond }) => quietPerSecond)} -> ${at(({ burstPerSecond }) => burstPerSecond)}/s`;
}

export function burstTable(results: PeersResults<BurstCell>): string {
  const { rounds } = results;
  const explanation =
    `The load rises ${burst.times} times for ${burst.forMs / 1000} s (open loop, Poisson), the same rates for all servers; of the wide MLP to 0.9 of the peak of Penstock with 64 clients. ` +
    `Each cell, of the requests of the burst: in time (${burst.limitMs} ms, judged by the client), p95, p99, and the p99 of the server by that of Penstock (range of the rounds). ` +
    'Wanted: p99 no higher than of the best, and 99 % of the wide MLP in time.';
  const rows = serversOf(rounds).map((server) => [server, ...models.map((model) => cellText(rounds, server, model))]);
  return page(results, explanation, [markdown(['', ...models.map((model) => headerOf(rounds, model))], rows)]);
}
