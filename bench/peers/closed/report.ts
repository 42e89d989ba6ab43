/** The table of closed loops in bench/README.md. */
import { median } from '../../load/latencies.ts';
import type { LoadCell, PeersResults } from '../rounds.ts';
import { type Encoding, encodings } from '../subjects.ts';
import { cellsOf, disturbance, markdown, msText, over, page, ratiosOf, ratioText, serversOf, whole } from '../table.ts';

export const concurrencies = [1, 8, 64] as const;

/** One measurement of one server. */
export interface PeerCell extends LoadCell {
  readonly encoding: Encoding;
  readonly concurrency: number;
  readonly ratePerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** CPU time of all processes of the server per response. */
  readonly cpuUsPerRequest: number;
}

type Rounds = PeersResults<PeerCell>['rounds'];
type Load = Pick<PeerCell, 'encoding' | 'concurrency'>;

/** Medians of the rounds of one server at one load. */
export interface PeerFigures {
  readonly rate: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number;
  /** Our rate by its rate, the median of the ratios of each round; null for Penstock itself, and if the two share no round. */
  readonly ratio: number | null;
  readonly ratios: readonly number[];
}

/** Null if the server was never measured at this load. */
export function peerFigures(rounds: Rounds, server: string, load: Load): PeerFigures | null {
  const cells = cellsOf(rounds, server, isOf(load));
  if (cells.length === 0) return null;
  const ratios = ratiosOf(rounds, server, (ours, theirs) => ours.ratePerSecond / theirs.ratePerSecond, isOf(load));
  return {
    rate: over(cells, ({ ratePerSecond }) => ratePerSecond),
    p50Us: over(cells, ({ p50Us }) => p50Us),
    p99Us: over(cells, ({ p99Us }) => p99Us),
    cpuUs: over(cells, ({ cpuUsPerRequest }) => cpuUsPerRequest),
    ratio: ratios.length === 0 ? null : median(ratios),
    ratios,
  };
}

const isOf =
  ({ encoding, concurrency }: Load) =>
  (cell: PeerCell): boolean =>
    cell.encoding === encoding && cell.concurrency === concurrency;

function cellText(rounds: Rounds, server: string, load: Load): string {
  const figures = peerFigures(rounds, server, load);
  if (figures === null) return '';
  const { rate, p50Us, p99Us, cpuUs, ratios } = figures;
  const latencies = `${msText(p50Us / 1000)} / ${msText(p99Us / 1000)} ms`;
  return `${whole(rate)}/s, ${latencies}, ${whole(cpuUs)} us${ratioText(ratios)}${disturbance(cellsOf(rounds, server, isOf(load)))}`;
}

function encodingTable(rounds: Rounds, encoding: PeerCell['encoding']): string {
  const servers = serversOf(rounds.map((cells) => cells.filter((cell) => cell.encoding === encoding)));
  const rows = servers.map((server) => [
    server,
    ...concurrencies.map((concurrency) => cellText(rounds, server, { encoding, concurrency })),
  ]);
  return markdown([encoding, ...concurrencies.map((c) => `c = ${c}`)], rows);
}

export function closedTable(results: PeersResults<PeerCell>): string {
  const explanation =
    'Each cell: responses, p50 / p99, CPU time of the server per request, and the rate of Penstock by that of the server (range of the rounds).';
  return page(
    results,
    explanation,
    encodings.map((encoding) => encodingTable(results.rounds, encoding)),
  );
}
