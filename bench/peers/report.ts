/** The table of `npm run bench -- peers` in bench/README.md. */
import { median } from '../load/latencies.ts';
import { concurrencies, type PeerCell } from './measure.ts';
import { encodings } from './subjects.ts';

export interface PeersResults {
  readonly at: string;
  readonly commit: string;
  readonly machine: string;
  readonly generator: string;
  readonly missing: readonly string[];
  readonly rounds: readonly (readonly PeerCell[])[];
}

const own = 'Penstock';
/** From here on, other programs took so much of a core that a cell is marked. */
const disturbedCores = 0.1;

/** Medians of the rounds of one server at one load. */
export interface PeerFigures {
  readonly rate: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number;
  /** Our rate by its rate, the median of the ratios of each round; null for Penstock itself, and if the two share no round. */
  readonly ratio: number | null;
  readonly ratios: readonly number[];
  readonly otherCores: number;
}

/** Null if the server was never measured at this load. */
export function peerFigures(
  rounds: readonly (readonly PeerCell[])[],
  server: string,
  load: Pick<PeerCell, 'encoding' | 'concurrency'>,
): PeerFigures | null {
  const cellOf = (cells: readonly PeerCell[], name: string): PeerCell | undefined =>
    cells.find((cell) => cell.server === name && cell.encoding === load.encoding && cell.concurrency === load.concurrency);
  const cells = rounds.flatMap((round) => cellOf(round, server) ?? []);
  if (cells.length === 0) return null;
  const over = (of: (cell: PeerCell) => number): number => median(cells.map(of));
  const ratios = rounds.flatMap((round) => {
    const [ours, theirs] = [cellOf(round, own), cellOf(round, server)];
    return ours === undefined || theirs === undefined ? [] : [ours.ratePerSecond / theirs.ratePerSecond];
  });
  return {
    rate: over(({ ratePerSecond }) => ratePerSecond),
    p50Us: over(({ p50Us }) => p50Us),
    p99Us: over(({ p99Us }) => p99Us),
    cpuUs: over(({ cpuUsPerRequest }) => cpuUsPerRequest),
    ratio: server === own || ratios.length === 0 ? null : median(ratios),
    ratios,
    otherCores: over(({ otherCores }) => otherCores),
  };
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
const ms = (us: number): string => (us < 10_000 ? (us / 1000).toFixed(2) : (us / 1000).toFixed(0));

function cellText({ rate, p50Us, p99Us, cpuUs, ratio, ratios, otherCores }: PeerFigures): string {
  const spread = ratios.length > 1 ? ` (${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)})` : '';
  const comparison = ratio === null ? '' : `, **${ratio.toFixed(2)} x**${spread}`;
  return `${whole(rate)}/s, ${ms(p50Us)} / ${ms(p99Us)} ms, ${whole(cpuUs)} us${comparison}${otherCores >= disturbedCores ? ' ~' : ''}`;
}

function encodingTable(rounds: PeersResults['rounds'], encoding: PeerCell['encoding']): string {
  const servers = [...new Set(rounds.flat().map(({ server }) => server))];
  const rows = servers.flatMap((server) => {
    const figures = concurrencies.map((concurrency) => peerFigures(rounds, server, { encoding, concurrency }));
    return figures.every((each) => each === null) ? [] : [[server, ...figures.map((each) => (each === null ? '' : cellText(each)))]];
  });
  const header = [encoding, ...concurrencies.map((c) => `c = ${c}`)];
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

export function peersTable({ at, commit, machine, generator, missing, rounds }: PeersResults): string {
  const parts = [
    `${at.slice(0, 10)}, commit ${commit}, ${machine}, ${generator} on the same machine, ${rounds.length === 1 ? 'one round' : `medians of ${rounds.length} rounds`}. ` +
      'Each cell: responses, p50 / p99, CPU time of the server per request, and Penstock by it (range of the rounds). ' +
      `"~": other programs kept at least ${disturbedCores} cores busy.`,
    ...encodings.map((encoding) => encodingTable(rounds, encoding)),
  ];
  if (missing.length > 0) parts.push(`Not measured: ${missing.join('; ')}.`);
  return parts.join('\n\n');
}
