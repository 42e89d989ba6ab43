/** Formats tuning jobs and their trials for people. */
import type { TuningJobBody, TuningTrialBody } from '../../api/index.ts';
import { durationText, pairsText, timeText, utcText } from '../output/format.ts';
import type { Style } from '../output/style.ts';
import { fields, table } from '../output/table.ts';
import { formatMetric } from './format-job.ts';

export function tuningsTable(jobs: readonly TuningJobBody[], style: Style): string {
  return table(jobs, [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'STATUS', cell: ({ status }) => style.state(status) },
    { title: 'STRATEGY', cell: ({ strategy }) => strategy },
    { title: 'TRIALS', cell: (job) => `${overCount(job)} of ${job.jobs}`, align: 'right' },
    { title: 'METRIC', cell: ({ metric, goal }) => `${metric}, ${goal.toLowerCase()}` },
    { title: 'BEST', cell: ({ best }) => bestValue(best), align: 'right' },
    { title: 'WITH', cell: ({ best }) => (best === null ? null : trialValuesText(best)) },
    { title: 'CREATED (UTC)', cell: ({ created_at: at }) => timeText(at) },
  ]);
}

export function describeTuningJob(job: TuningJobBody, trials: readonly TuningTrialBody[], style: Style): string {
  const { counts, best } = job;
  const text = fields([
    ['name', job.name],
    ['status', style.state(job.status)],
    ['reason', job.reason],
    ['objective', `${job.goal.toLowerCase()} ${job.metric}`],
    ['strategy', `${job.strategy}, seed ${job.seed}`],
    ['ranges', job.ranges.map(rangeText).join('\n')],
    ['trials', `${overCount(job)} of ${job.jobs} over, ${job.parallel} at once${counts.failed === 0 ? '' : `, ${counts.failed} failed`}`],
    ['best', best === null ? null : `${best.job}: ${job.metric} ${bestValue(best)} with ${trialValuesText(best)}`],
    ['on', job.instance_type],
    ['created', `${utcText(job.created_at)} by ${job.created_by}`],
    ['ended', job.ended_at === null ? null : utcText(job.ended_at)],
  ]);
  return [text, trialsPicture(trials, job.goal), trialsTable(trials, job, style)].filter((part) => part !== '').join('\n');
}

export function trialsTable(
  trials: readonly TuningTrialBody[],
  { metric, best }: Pick<TuningJobBody, 'metric' | 'best'>,
  style: Style,
): string {
  return table(trials, [
    { title: '#', cell: ({ number }) => number, align: 'right' },
    { title: 'JOB', cell: ({ job }) => job },
    { title: 'STATUS', cell: ({ status, stopped_early: early }) => style.state(status) + (early ? ', early' : '') },
    { title: metric.toUpperCase(), cell: ({ objective }) => (objective === null ? null : formatMetric(objective)), align: 'right' },
    { title: 'BEST', cell: ({ number }) => (number === best?.number ? '*' : null) },
    { title: 'WITH', cell: trialValuesText },
    { title: 'HOST', cell: ({ host }) => host },
    { title: 'TOOK', cell: ({ started_at: from, ended_at: to }) => tookText(from, to), align: 'right' },
    { title: 'REASON', cell: ({ reason }) => reason?.slice(0, 80) ?? null },
  ]);
}

const pictureRows = 10;
const pictureColumns = 72;

/**
 * The objective over the trials in their order: `*` for each trial that was better than all earlier ones, `·` for the others, `-` for the best so far.
 * Empty for fewer than two values.
 */
export function trialsPicture(trials: readonly TuningTrialBody[], goal: TuningJobBody['goal']): string {
  const points = trials.flatMap(({ number, objective }) => (objective === null ? [] : [{ number, objective }]));
  if (points.length < 2) return '';
  const values = points.map(({ objective }) => objective);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const lastNumber = points.at(-1)?.number ?? 1;
  const columns = Math.min(pictureColumns, lastNumber);
  const columnOf = (number: number): number => Math.floor(((number - 1) * columns) / lastNumber);
  const rowOf = (value: number): number => (most === least ? 0 : Math.round(((most - value) / (most - least)) * (pictureRows - 1)));
  const grid = Array.from({ length: most === least ? 1 : pictureRows }, () => new Array<string>(columns).fill(' '));
  let best: number | null = null;
  let from = 0;
  for (const { number, objective } of points) {
    const column = columnOf(number);
    if (best !== null) drawBest(grid[rowOf(best)] as string[], from, column);
    const isBetter = best === null || (goal === 'Minimize' ? objective < best : objective > best);
    const row = grid[rowOf(objective)] as string[];
    if (isBetter || row[column] !== '*') row[column] = isBetter ? '*' : '·';
    if (isBetter) best = objective;
    from = column;
  }
  const labels = [formatMetric(most), formatMetric(least)];
  const width = Math.max(...labels.map(({ length }) => length));
  const lines = grid.map((row, at) => {
    const label = at === 0 ? labels[0] : at === grid.length - 1 ? labels[1] : '';
    return `${(label ?? '').padStart(width)} | ${row.join('').trimEnd()}`.trimEnd();
  });
  return `${lines.join('\n')}\n${' '.repeat(width)} +${'-'.repeat(columns + 1)}\n${' '.repeat(width)}   trial 1 to ${lastNumber}\n`;
}

function drawBest(row: string[], from: number, to: number): void {
  for (let column = from; column <= to; column++) if (row[column] === ' ') row[column] = '-';
}

/** `lr=0.031, optimizer=adam` */
export function trialValuesText({ values }: Pick<TuningTrialBody, 'values'>): string {
  return pairsText(Object.fromEntries(Object.entries(values).map(([name, value]) => [name, shortValue(value)])));
}

function shortValue(value: string): string {
  const number = Number(value);
  return value.length > 8 && Number.isFinite(number) ? formatMetric(number) : value;
}

function rangeText(range: TuningJobBody['ranges'][number]): string {
  if (range.type === 'categorical') return `${range.name}: ${range.values.join(', ')}`;
  return `${range.name}: ${range.min} to ${range.max}, ${range.type}, ${range.scaling}`;
}

function overCount({ counts }: Pick<TuningJobBody, 'counts'>): number {
  return counts.completed + counts.failed + counts.stopped;
}

function bestValue(best: TuningJobBody['best']): string | null {
  return best === null || best.objective === null ? null : formatMetric(best.objective);
}

function tookText(from: string | null, to: string | null): string | null {
  return from === null || to === null ? null : durationText((Date.parse(to) - Date.parse(from)) / 1000);
}
