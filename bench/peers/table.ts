/** Medians, ratios and Markdown of the tables of `npm run bench -- peers`. Pure. */
import { median } from '../load/latencies.ts';
import type { LoadCell, PeersResults } from './rounds.ts';

const own = 'Penstock';
/** From here on, other programs took so much of a core that a cell is marked. */
const disturbedCores = 0.1;

export const whole = (value: number): string => Math.round(value).toLocaleString('en-US');
export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
/** Of milliseconds, without the unit. */
export const msText = (ms: number): string => (ms < 10 ? ms.toFixed(2) : whole(ms));

/** The cells of one server over all rounds. */
export function cellsOf<Cell extends LoadCell>(
  rounds: PeersResults<Cell>['rounds'],
  server: string,
  isOf: (cell: Cell) => boolean = () => true,
): Cell[] {
  return rounds.flatMap((round) => round.find((cell) => cell.server === server && isOf(cell)) ?? []);
}

export function serversOf(rounds: PeersResults<LoadCell>['rounds']): string[] {
  return [...new Set(rounds.flat().map(({ server }) => server))];
}

/** The median of a figure; NaN without cells. */
export function over<Cell>(cells: readonly Cell[], of: (cell: Cell) => number): number {
  return median(cells.map(of));
}

/** What `better` says of Penstock and of the server, for each round with both; empty for Penstock itself. Above 1, Penstock is better. */
export function ratiosOf<Cell extends LoadCell>(
  rounds: PeersResults<Cell>['rounds'],
  server: string,
  better: (ours: Cell, theirs: Cell) => number,
  isOf: (cell: Cell) => boolean = () => true,
): number[] {
  if (server.startsWith(own)) return []; // with other settings, too
  return rounds.flatMap((round) => {
    const [[ours], [theirs]] = [cellsOf([round], own, isOf), cellsOf([round], server, isOf)];
    return ours === undefined || theirs === undefined ? [] : [better(ours, theirs)];
  });
}

/** Such as `, **2.00 x** (1.80-2.20)`; empty without ratios. */
export function ratioText(ratios: readonly number[]): string {
  if (ratios.length === 0) return '';
  // Of nothing, any ratio is infinite.
  const text = (ratio: number): string => (Number.isFinite(ratio) ? ratio.toFixed(2) : '∞');
  const spread = ratios.length > 1 ? ` (${text(Math.min(...ratios))}-${text(Math.max(...ratios))})` : '';
  return `, **${text(median(ratios))} x**${spread}`;
}

/** Marks cells during which other programs were busy. */
export function disturbance(cells: readonly LoadCell[]): string {
  return over(cells, ({ otherCores }) => otherCores) >= disturbedCores ? ' ~' : '';
}

export function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Date, machine and rounds, then what the cells are, the tables, and what is missing. */
export function page<Cell extends LoadCell>(
  { at, commit, machine, generator, missing, rounds }: PeersResults<Cell>,
  explanation: string,
  tables: readonly string[],
): string {
  const caption =
    `${at.slice(0, 10)}, commit ${commit}, ${machine}, ${generator} on the same machine, ${rounds.length === 1 ? 'one round' : `medians of ${rounds.length} rounds`}. ` +
    `${explanation} "~": other programs kept at least ${disturbedCores} cores busy.`;
  return [caption, ...tables, ...(missing.length > 0 ? [`Not measured: ${missing.join('; ')}.`] : [])].join('\n\n');
}
