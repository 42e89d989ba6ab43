/** `penstock training list | describe | logs | metrics | stop | delete`: training jobs. */
import type { Command } from 'commander';
import type { TrainingJobBody, TrainingLogBody, TrainingMetricBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import type { Client } from '../../client/client.ts';
import { timeText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { jobPath } from '../../training/follow-job.ts';
import { describeJob, formatMetric, jobsTable, sparkline } from '../../training/format-job.ts';
import { type CommonOptions, verb, verbGroup } from '../../verb.ts';

interface LogsOptions extends CommonOptions {
  readonly follow: boolean;
}

const pageLines = 10_000;

export function addTraining(program: Command, context: CliContext): void {
  const group = verbGroup(program, 'training', 'list, show, stop and delete training jobs, and read what they print');
  verb(group, context, 'list', 'list the training jobs, newest first').runs(async (session) => {
    const items = await (await session.client()).all<TrainingJobBody>('/training-jobs');
    session.print(
      { items },
      items.length === 0 ? 'no training jobs yet: start one with `penstock train SCRIPT`\n' : jobsTable(items, session.style),
    );
    return 0;
  });
  verb(group, context, 'describe <job>', 'show a training job: settings, state, metrics, cost').runs(
    async (session, _options, name: string) => {
      const job = await (await session.client()).get<TrainingJobBody>(jobPath(name));
      session.print(job, describeJob(job, session.style));
      return 0;
    },
  );
  addLogs(group, context);
  addMetrics(group, context);
  verb(group, context, 'stop <job>', 'stop a training job; it has 120 s to write its model').runs(
    async (session, _options, name: string) => {
      const job = await (await session.client()).post<TrainingJobBody>(`${jobPath(name)}/stop`, { json: {} });
      session.print(job, `${job.name} is ${session.style.state(job.status)}\n`);
      return 0;
    },
  );
  verb(group, context, 'delete <job>', 'delete a training job that is over, with its log and metrics; its model stays').runs(
    async (session, _options, name: string) => {
      await (await session.client()).delete(jobPath(name));
      session.print({ deleted: name }, `${name} was deleted\n`);
      return 0;
    },
  );
}

function addLogs(group: Command, context: CliContext): void {
  verb(group, context, 'logs <job>', 'print what a training job has printed')
    .with((command) => command.option('-f, --follow', 'keep printing new lines until the job is over', false))
    .runs(async (session, { follow }: LogsOptions, name: string) => {
      const client = await session.client();
      const write = (item: TrainingLogBody['items'][number]): void => {
        session.context.stdout.write(`${session.wantsJson ? JSON.stringify(item) : item.line}\n`);
      };
      if (follow) {
        const path = `${jobPath(name)}/logs`;
        for await (const data of client.events(path, { query: { follow: true } }))
          write(JSON.parse(data) as TrainingLogBody['items'][number]);
        return 0;
      }
      for await (const item of allLines(client, name)) write(item);
      return 0;
    });
}

async function* allLines(client: Client, name: string): AsyncGenerator<TrainingLogBody['items'][number]> {
  for (let after: string | undefined; ; ) {
    const page = await client.get<TrainingLogBody>(`${jobPath(name)}/logs`, { query: { limit: pageLines, after } });
    yield* page.items;
    if (page.next === null || page.items.length === 0) return;
    after = page.next;
  }
}

function addMetrics(group: Command, context: CliContext): void {
  verb(group, context, 'metrics <job>', 'show the metrics that a training job has reported').runs(
    async (session, _options, name: string) => {
      const { items } = await (await session.client()).get<{ items: readonly TrainingMetricBody[] }>(`${jobPath(name)}/metrics`);
      const series = Map.groupBy(items, (item) => item.name);
      const rows = [...series].map(([metric, values]) => ({ metric, values: values.map(({ value }) => value), last: values.at(-1) }));
      const text = table(rows, [
        { title: 'METRIC', cell: ({ metric }) => metric },
        { title: 'TREND', cell: ({ values }) => sparkline(values) },
        { title: 'LAST', cell: ({ last }) => (last === undefined ? null : formatMetric(last.value)), align: 'right' },
        { title: 'MIN', cell: ({ values }) => formatMetric(values.reduce((least, value) => Math.min(least, value))), align: 'right' },
        { title: 'MAX', cell: ({ values }) => formatMetric(values.reduce((most, value) => Math.max(most, value))), align: 'right' },
        { title: 'VALUES', cell: ({ values }) => values.length, align: 'right' },
        { title: 'AT (UTC)', cell: ({ last }) => timeText(last?.at ?? null) },
      ]);
      session.print({ items }, items.length === 0 ? `${name} has reported no metrics\n` : text);
      return 0;
    },
  );
}
