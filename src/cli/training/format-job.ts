/** Formats training jobs for people. */
import type { ProcessingJobBody, TrainingJobBody, TrainingMetricBody } from '../../api/index.ts';
import { bytesText, durationText, formatMsText, formatUsd, pairsText, timeText, utcText } from '../output/format.ts';
import type { Style } from '../output/style.ts';
import { fields, table } from '../output/table.ts';

const bars = '▁▂▃▄▅▆▇█';
const barsMax = 20;

/** `▁▃▆▇`: the history of a metric, at most 20 bars; each is the last value of its interval. */
export function sparkline(values: readonly number[]): string {
  const shown = values.filter(Number.isFinite);
  const count = Math.min(barsMax, shown.length);
  const parts = Array.from({ length: count }, (_, i) => shown[Math.ceil(((i + 1) * shown.length) / count) - 1] as number);
  const [least, most] = [Math.min(...parts), Math.max(...parts)];
  return parts.map((value) => bars[most === least ? 3 : Math.round(((value - least) / (most - least)) * (bars.length - 1))]).join('');
}

/** `0.9533`: four significant digits, without trailing zeros. */
export function formatMetric(value: number): string {
  return String(Number(value.toPrecision(4)));
}

/** `starting 0.2 s · downloading 0.1 s · training`: the statuses so far, with the time that each has taken. */
export function stagesText({ transitions }: Pick<TrainingJobBody, 'transitions'>): string {
  return transitions
    .filter(({ status }, i) => i < transitions.length - 1 || !endings.has(status))
    .map(({ status, message, started_at: from, ended_at: to }) => {
      const word = status.toLowerCase();
      if (to !== null) return `${word} ${formatMsText(Date.parse(to) - Date.parse(from))}`;
      return message.startsWith('Waiting for capacity') ? `${word}: ${message}` : word;
    })
    .join(' · ');
}

/** Their transition begins at the end of the job. */
const endings: ReadonlySet<string> = new Set(['Completed', 'Failed', 'Stopped', 'MaxRuntimeExceeded', 'MaxWaitTimeExceeded']);

/** `▁▃▆▇ accuracy 0.9533` of the first metric of the job: its history in seconds, and its last value. */
export function objectiveText(
  { metric_definitions: definitions, metrics }: Pick<TrainingJobBody, 'metric_definitions' | 'metrics'>,
  values: readonly TrainingMetricBody[],
): string {
  const name = definitions[0]?.name;
  const own = values.filter((each) => each.name === name).map(({ value }) => value);
  const last = metrics.find((each) => each.name === name);
  if (name === undefined || last === undefined) return '';
  return `${own.length < 2 ? '' : `${sparkline(own)} `}${name} ${formatMetric(last.value)}`;
}

export function jobsTable(jobs: readonly TrainingJobBody[], style: Style): string {
  return table(jobs, [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'STATUS', cell: ({ status }) => style.state(status) },
    { title: 'DETAIL', cell: ({ status, secondary_status: detail }) => (detail === status ? null : detail) },
    { title: 'RUNS IN', cell: ({ environment, image }) => environment ?? image ?? 'no environment' },
    { title: 'TYPE', cell: ({ instance_type: type, spot }) => `${type}${spot ? ', spot' : ''}` },
    { title: 'HOST', cell: ({ host }) => host },
    { title: 'METRICS', cell: ({ metrics }) => metrics.map(({ name, value }) => `${name}=${formatMetric(value)}`).join(', ') },
    { title: 'TOOK', cell: ({ usage }) => (usage === null ? null : durationText(usage.seconds)), align: 'right' },
    { title: 'COST', cell: ({ usage }) => (usage === null ? null : formatUsd(usage.usd)), align: 'right' },
    { title: 'VERSION', cell: ({ version }) => version },
    { title: 'CREATED (UTC)', cell: ({ created_at: at }) => timeText(at) },
  ]);
}

export function describeJob(job: TrainingJobBody, style: Style): string {
  const { usage, spot, git } = job;
  const text = fields([
    ['name', job.name],
    ['status', style.state(job.status)],
    ['detail', job.secondary_status === job.status ? null : job.secondary_status],
    ['reason', job.reason],
    ['version', job.version ?? (job.group === null ? null : `none of ${job.group}`)],
    ['runs', job.entry ?? job.command?.join(' ') ?? job.hyperparameters['sagemaker_program'] ?? null],
    ['in', job.environment ?? job.image ?? "no environment (the machine's own programs)"],
    ['on', `${job.instance_type}${spot ? ', spot' : ''}${job.isolated ? ', without network' : ''}`],
    ['host', hostText(job)],
    [
      'code',
      [job.source_sha256?.slice(0, 12), git === null ? undefined : `commit ${git.commit.slice(0, 12)}${git.dirty ? ', changed' : ''}`]
        .filter(Boolean)
        .join(', ') || null,
    ],
    ['data', job.channels.map(({ name, source }) => `${name}=${source}`).join(', ') || null],
    ['hyperparameters', pairsText(job.hyperparameters) || null],
    ['variables', job.environment_variables.join(', ') || null],
    ['metrics', job.metrics.map(({ name, value }) => `${name}=${formatMetric(value)}`).join(', ') || null],
    ['model', job.artifact],
    ['checkpoints', job.checkpoints],
    ['limits', `${durationText(job.max_runtime_s)} of run time, ${bytesText(job.volume_gb * 2 ** 30)} of disk`],
    ['attempt', `${job.attempt} of ${job.retries + 1}`],
    ['used', usage === null ? null : usedText(usage)],
    ['created', `${utcText(job.created_at)} by ${job.created_by}`],
    ['ended', job.ended_at === null ? null : utcText(job.ended_at)],
  ]);
  return `${text}${notesText(job)}\n${transitionsTable(job)}`;
}

export function formatProcessing(job: ProcessingJobBody, style: Style): string {
  const text = fields([
    ['name', job.name],
    ['status', style.state(job.status)],
    ['detail', job.secondary_status === job.status ? null : job.secondary_status],
    ['reason', job.reason],
    ['message', job.exit_message],
    ['runs', job.command?.join(' ') ?? null],
    ['in', job.environment ?? job.image ?? "no environment (the machine's own programs)"],
    ['on', `${job.instance_type}${job.isolated ? ', without network' : ''}`],
    ['host', hostText(job)],
    ['inputs', job.inputs.map(({ name, source }) => `${name}=${source}`).join(', ') || null],
    ['outputs', job.outputs.map(({ name, target }) => `${name}=${target}`).join(', ') || null],
    ['variables', job.environment_variables.join(', ') || null],
    ['limits', `${durationText(job.max_runtime_s)} of run time, ${bytesText(job.volume_gb * 2 ** 30)} of disk`],
    ['used', job.usage === null ? null : usedText(job.usage)],
    ['created', `${utcText(job.created_at)} by ${job.created_by}`],
    ['ended', job.ended_at === null ? null : utcText(job.ended_at)],
  ]);
  return `${text}${notesText(job)}\n${transitionsTable(job)}`;
}

/** The machine of the cluster, with the reason on a line of its own. Null on a server that is alone. */
function hostText({ host, placed_because: reason }: Pick<TrainingJobBody, 'host' | 'placed_because'>): string | null {
  return host === null || reason === null ? host : `${host}\n${reason}`;
}

function notesText({ notes }: Pick<TrainingJobBody, 'notes'>): string {
  return notes.map((note) => `note: ${note}\n`).join('');
}

function usedText({ seconds, billable_seconds: billable, usd, peak_mib: peak }: NonNullable<TrainingJobBody['usage']>): string {
  const billed = billable === seconds ? '' : ` (${billable} s billed)`;
  return `${durationText(seconds)}${billed}, ${formatUsd(usd)}${peak === null ? '' : `, at most ${Math.round(peak)} MiB of memory`}`;
}

function transitionsTable({ transitions }: Pick<TrainingJobBody, 'transitions'>): string {
  return table(transitions, [
    { title: 'SINCE (UTC)', cell: ({ started_at: at }) => timeText(at) },
    { title: 'STATUS', cell: ({ status }) => status },
    {
      title: 'TOOK',
      cell: ({ started_at: from, ended_at: to }) => (to === null ? null : formatMsText(Date.parse(to) - Date.parse(from))),
      align: 'right',
    },
    { title: 'MESSAGE', cell: ({ message }) => message },
  ]);
}
