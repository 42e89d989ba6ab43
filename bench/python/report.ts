/** The table of `npm run bench -- python` in bench/README.md. */
import { median, summarize } from '../load/latencies.ts';
import type { ColdStarts } from './cold-starts.ts';
import type { PromiseFigures } from './promise.ts';
import type { DirectCell, RateCell, Round } from './rates.ts';

/** What was measured at one time. Parts of one table may be measured at different times. */
export interface Measured<Part> {
  readonly at: string;
  readonly commit: string;
  readonly part: Part;
}

export interface PythonResults {
  readonly machine: string;
  readonly generator: string;
  readonly missing: readonly string[];
  readonly rates: Readonly<Record<string, Measured<readonly Round[]>>>;
  readonly cold: Measured<readonly ColdStarts[]> | null;
  readonly promise: Measured<readonly PromiseFigures[]> | null;
}

const own = 'Penstock';
/** The same server with the function behind HTTP: no batching, so its throughput is compared, but it is no other product. */
const ownProcess = 'Penstock, `runtime: process`';

/** Wanted: our rate at 32 clients by that of another server. */
const ratiosWanted: Readonly<Record<string, number>> = {
  LitServe: 1.5,
  MLServer: 1.2,
  BentoML: 3,
  mosec: 0.4,
  [ownProcess]: 5,
};
const addedMsWanted = 0.5;
const addedShareWanted = 1 / 4;

/** Medians of the rounds of one server, with their range. */
export interface ServerFigures {
  readonly server: string;
  readonly rate: number;
  readonly rates: readonly number[];
  readonly cpuUs: number;
  readonly p50One: number;
  /** p50 with one client beyond a call of the function in Python at the same pace. */
  readonly addedMs: number;
  /** Our rate by its rate, and our added p50 by its added p50, medians of the ratios of each round. */
  readonly ratio: number;
  readonly addedRatio: number;
}

export function figuresOf(rounds: readonly Round[]): ServerFigures[] {
  const cell = ({ cells }: Round, server: string, concurrency: number): RateCell | undefined =>
    cells.find((each) => each.server === server && each.concurrency === concurrency);
  const servers = [...new Set(rounds.flatMap(({ cells }) => cells.map(({ server }) => server)))];
  const over = (server: string, valueOf: (round: Round) => number | undefined): number[] =>
    rounds.map(valueOf).filter((value): value is number => value !== undefined);
  const added = (round: Round, server: string): number | undefined => {
    const one = cell(round, server, 1);
    return one === undefined ? undefined : (one.addedMs ?? one.p50Ms - round.direct.oneRowMs);
  };
  return servers.map((server) => {
    const rates = over(server, (round) => cell(round, server, 32)?.ratePerSecond);
    return {
      server,
      rate: median(rates),
      rates,
      cpuUs: median(over(server, (round) => cell(round, server, 32)?.cpuUsPerRequest)),
      p50One: median(over(server, (round) => cell(round, server, 1)?.p50Ms)),
      addedMs: median(over(server, (round) => added(round, server))),
      ratio: median(over(server, (round) => quotient(cell(round, own, 32)?.ratePerSecond, cell(round, server, 32)?.ratePerSecond))),
      addedRatio: median(over(server, (round) => quotient(added(round, own), added(round, server)))),
    };
  });
}

function quotient(above: number | undefined, below: number | undefined): number | undefined {
  return above === undefined || below === undefined ? undefined : above / below;
}

const mark = (isReached: boolean): string => (isReached ? '' : ' (missed)');
const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function ratesTable(model: string, { part: rounds }: Measured<readonly Round[]>): string {
  const direct = (of: (cell: DirectCell) => number): string => ms(median(rounds.map((round) => of(round.direct))));
  const header = [
    `${model}, 32 clients`,
    'responses',
    'range',
    'server CPU',
    'Penstock by it',
    'p50, one client',
    'of which added',
    'ours by it',
  ];
  const figures = figuresOf(rounds);
  // On a busy machine the call in Python can be slower than a request: then nothing is known about what a server adds.
  const isAddedKnown = figures.every(({ addedMs }) => addedMs > 0);
  const rows = figures.map(({ server, rate, rates, cpuUs, p50One, addedMs, ratio, addedRatio }) => {
    const wanted = ratiosWanted[server];
    const isPeer = server !== own;
    return [
      server,
      `${rate.toFixed(0)}/s`,
      `${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)}`,
      `${(cpuUs / 1000).toFixed(2)} ms`,
      isPeer ? `${ratio.toFixed(2)} x${wanted === undefined ? '' : `, wanted ${wanted}${mark(ratio >= wanted)}`}` : '',
      ms(p50One),
      !isAddedKnown ? 'unknown' : isPeer ? ms(addedMs) : `${ms(addedMs)}, wanted ${addedMsWanted}${mark(addedMs <= addedMsWanted)}`,
      isPeer && isAddedKnown ? `${addedRatio.toFixed(2)}${mark(addedRatio <= addedShareWanted || server === ownProcess)}` : '',
    ];
  });
  const calls = `The function alone, called in Python: ${direct((cell) => cell.oneRowMs)} for 1 row, ${direct((cell) => cell.rows32Ms)} for 32.`;
  return `${calls}\n\n${table(header, rows)}`;
}

function coldTable({ part }: Measured<readonly ColdStarts[]>): string {
  const rows = part.map(({ label, forkMs, spawnMs }) => {
    const fork = summarize(forkMs);
    const spawnP50 = median(spawnMs);
    const share = fork.p50 / spawnP50;
    return [
      label,
      `p50 ${ms(fork.p50)}, p95 ${ms(fork.p95)}${label.startsWith('PyTorch') ? `, wanted 400${mark(fork.p95 <= 400)}` : ''}`,
      ms(spawnP50),
      `1/${(1 / share).toFixed(1)}, wanted 1/12${mark(share <= 1 / 12)}`,
    ];
  });
  return table(['from zero to the first response, isolated', 'fork', 'spawn and import', 'ratio'], rows);
}

const meanBatchWanted: Readonly<Record<number, number>> = { 300: 1.8, 700: 3.5 };

function promiseTable({ part }: Measured<readonly PromiseFigures[]>): string {
  const rows = part.map(({ ratePerSecond, p95Ms, inTime, failures, meanBatch }) => {
    const wanted = meanBatchWanted[ratePerSecond] ?? 0;
    return [
      `${ratePerSecond}/s`,
      `p95 ${ms(p95Ms)}${mark(p95Ms <= 100)}`,
      `${(100 * inTime).toFixed(1)} %${failedText(failures)}`,
      `${meanBatch.toFixed(2)}, wanted ${wanted}${mark(meanBatch >= wanted)}`,
    ];
  });
  return table(['forest, one instance, `p95<=100ms`', 'latency', 'in time', 'mean batch'], rows);
}

function failedText(failures: Readonly<Record<string, number>>): string {
  return Object.entries(failures)
    .map(([why, count]) => `, ${count} failed (${why})`)
    .join('');
}

const dated = ({ at, commit }: Measured<unknown>): string => `${at.slice(0, 10)}, commit ${commit}`;

export function pythonTable({ machine, generator, missing, rates, cold, promise }: PythonResults): string {
  const parts = Object.entries(rates).map(
    ([model, measured]) =>
      `${dated(measured)}, ${machine}, ${generator} on the same machine, ${measured.part.length === 1 ? 'one round' : `medians of ${measured.part.length} rounds`}. ${ratesTable(model, measured)}`,
  );
  if (cold !== null) parts.push(`${dated(cold)}:\n\n${coldTable(cold)}`);
  if (promise !== null) parts.push(`${dated(promise)}, Poisson arrivals:\n\n${promiseTable(promise)}`);
  if (missing.length > 0) parts.push(`Not measured: ${missing.join('; ')}.`);
  return parts.join('\n\n');
}
