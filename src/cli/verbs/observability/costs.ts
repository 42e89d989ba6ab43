/** `penstock costs`: the cost of endpoints, computed from their usage. Includes deleted endpoints. */
import { type Command, Option } from 'commander';
import type { CostsBody, TrainingJobBody, UsedBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { parsedSince } from '../../options/parsed-values.ts';
import { durationText, formatUsd, timeText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, type VerbSession, verb } from '../../verb.ts';

interface CostsOptions extends CommonOptions {
  /** Milliseconds. */
  readonly since: number;
  readonly by: CostsBody['by'];
  readonly training: boolean;
}

const dayMs = 86_400_000;

export function addCosts(program: Command, context: CliContext): void {
  verb(program, context, 'costs [endpoint]', 'show the cost of endpoints, computed from their usage')
    .with((command) =>
      command
        .addOption(
          new Option('--since <duration>', 'how far back, such as 24h or 7d, rounded to whole hours')
            .argParser(parsedSince)
            .default(dayMs, '24h'),
        )
        .addOption(new Option('--by <period>', 'period of each line').choices(['hour', 'day', 'total']).default('total'))
        .option('--training', 'the cost of training jobs instead, of those that are not deleted', false),
    )
    .runs(async (session, options: CostsOptions, endpoint: string | undefined) => {
      const client = await session.client();
      if (options.training) return trainingCosts(session, client, options, endpoint);
      const from = new Date(context.clock.wallMs() - options.since).toISOString();
      const costs = await client.get<CostsBody>('/costs', { query: { endpoint, from, by: options.by } });
      // A deleted endpoint still has costs. An endpoint that never existed has none, and this call reports it as not found.
      if (costs.items.length === 0 && endpoint !== undefined) await client.get(`/endpoints/${pathSegment(endpoint)}`);
      session.print(costs, costsText(costs));
      return 0;
    });
}

/** Prints the costs of the jobs that ended within the period or still run. */
async function trainingCosts(session: VerbSession, client: Client, { since }: CostsOptions, endpoint: string | undefined): Promise<number> {
  if (endpoint !== undefined) throw new CliError('--training is for training jobs, and has no endpoint: leave one of the two out', 2);
  const fromMs = session.context.clock.wallMs() - since;
  const jobs = await client.all<TrainingJobBody>('/training-jobs');
  const counted = jobs.filter(({ usage, ended_at: ended }) => usage !== null && (ended === null || Date.parse(ended) >= fromMs));
  const total = sumOfJobs(counted);
  session.print({ items: counted.map(trainingLineOf), total }, trainingCostsText(counted, total));
  return 0;
}

interface TrainingLine {
  readonly job: string;
  readonly version: string | null;
  readonly instance_type: string | null;
  readonly seconds: number;
  readonly billable_seconds: number;
  readonly usd: number;
}

function trainingLineOf({ name, version, instance_type: type, usage }: TrainingJobBody): TrainingLine {
  const { seconds = 0, billable_seconds: billable = 0, usd = 0 } = usage ?? {};
  return { job: name, version, instance_type: type, seconds, billable_seconds: billable, usd };
}

function sumOfJobs(jobs: readonly TrainingJobBody[]): TrainingLine {
  const lines = jobs.map(trainingLineOf);
  const sum = (of: (line: TrainingLine) => number): number => lines.reduce((total, line) => total + of(line), 0);
  const seconds = sum((line) => line.seconds);
  return {
    job: 'total',
    version: null,
    instance_type: null,
    seconds,
    billable_seconds: sum((line) => line.billable_seconds),
    usd: sum(({ usd }) => usd),
  };
}

function trainingCostsText(jobs: readonly TrainingJobBody[], total: TrainingLine): string {
  if (jobs.length === 0) return 'no training job has run in this time\n';
  return table<TrainingLine>(
    [...jobs.map(trainingLineOf), total],
    [
      { title: 'JOB', cell: ({ job }) => job },
      { title: 'VERSION', cell: ({ version }) => version },
      { title: 'TYPE', cell: (line) => line.instance_type },
      { title: 'TIME', cell: ({ seconds }) => durationText(seconds), align: 'right' },
      { title: 'BILLED', cell: (line) => durationText(line.billable_seconds), align: 'right' },
      { title: 'COST', cell: ({ usd }) => formatUsd(usd), align: 'right' },
    ],
  );
}

interface Line extends UsedBody {
  readonly at: string | null;
  readonly endpoint: string;
  readonly variant: string | null;
}

function costsText({ from, to, by, prices_as_of: asOf, items, total }: CostsBody): string {
  const [fromText, toText] = [from, to].map((at) => timeText(at).slice(0, 16));
  if (items.length === 0) return `no use between ${fromText} and ${toText} UTC\n`;
  const lines: Line[] = items.map((item) => ({ ...item, at: by === 'total' ? null : item.at }));
  const text = table<Line>(
    [...lines, { ...total, at: null, endpoint: 'total', variant: null }],
    [
      { title: by === 'day' ? 'DAY (UTC)' : 'HOUR (UTC)', cell: ({ at }) => timeText(at).slice(0, by === 'day' ? 10 : 16) },
      { title: 'ENDPOINT', cell: ({ endpoint }) => endpoint },
      { title: 'VARIANT', cell: ({ variant }) => variant },
      { title: 'INSTANCES', cell: (line) => formatUsd(Math.max(0, line.instance_usd - line.provisioned_usd)), align: 'right' },
      { title: 'FUNCTIONS', cell: (line) => formatUsd(line.function_usd + line.provisioned_usd), align: 'right' },
      { title: 'TOTAL', cell: (line) => formatUsd(line.total_usd), align: 'right' },
      { title: 'ANSWERED', cell: ({ requests }) => requests, align: 'right' },
      { title: 'NOT ANSWERED', cell: (line) => line.failed_requests, align: 'right' },
      { title: 'FAILED RUNS', cell: (line) => (total.failed_runs_usd === 0 ? null : formatUsd(line.failed_runs_usd)), align: 'right' },
      { title: 'COST/M ANSWERED', cell: ({ cost_usd_per_million: usd }) => (usd === null ? '-' : formatUsd(usd)), align: 'right' },
      { title: 'COLD STARTS', cell: (line) => line.cold_starts, align: 'right' },
    ],
  );
  return `${text}from ${fromText} to ${toText} UTC, whole hours only; prices of ${asOf}; totals include the cost of failed runs\n`;
}
