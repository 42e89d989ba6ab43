/** `penstock train`: runs a script on data, and registers the model that it writes. */
import { type Command, Option } from 'commander';
import type { TrainingJobBody, VersionBody } from '../../../api/index.ts';
import { defined } from '../../../defined.ts';
import { checkName } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import type { Client } from '../../client/client.ts';
import { formBody } from '../../client/form-body.ts';
import { ifFound } from '../../client/if-found.ts';
import { versionUrlPath } from '../../models/model-source.ts';
import { formatMsText, formatUsd } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { approveIfBetter, type BetterBy, parseBetterBy } from '../../training/approve-if-better.ts';
import { followJob } from '../../training/follow-job.ts';
import { formatMetric } from '../../training/format-job.ts';
import { readTrainData, readTrainSource, sourcePart } from '../../training/train-inputs.ts';
import {
  addCodeOptions,
  addMetricOption,
  addPlaceOptions,
  addRunOptions,
  environmentOf,
  sizesText,
  type TrainedOptions,
  type TrainInputs,
  trainSpecOf,
} from '../../training/train-options.ts';
import { parsedBy, type VerbSession, verb } from '../../verb.ts';

interface TrainOptions extends TrainedOptions {
  readonly group?: string;
  readonly name?: string;
  readonly wait: boolean;
  readonly detach: boolean;
  readonly approveIfBetter?: BetterBy;
}

export function addTrain(program: Command, context: CliContext): void {
  verb(program, context, 'train <path>', 'train a model: run a script, or a folder with --entry, on data, and register what it writes')
    .with(addTrainOptions)
    .runs(async (session, options: TrainOptions, path: string) => {
      const waits = options.wait && !options.detach;
      if (options.approveIfBetter !== undefined && (!waits || options.group === undefined))
        throw new CliError('--approve-if-better needs --group and the end of the job: add --group NAME, and leave --detach out', 2);
      const source = await readTrainSource(path, options.entry);
      const data = await Promise.all((options.data ?? []).map(readTrainData));
      const client = await session.client();
      const environment = await environmentOf(client, options.environment);
      const job = await startJob(session, client, options, { source, data, environment });
      if (!waits) {
        session.print(job, `${job.name} was created: follow it with penstock training logs -f ${job.name}\n`);
        return 0;
      }
      const over = await followJob(session, client, job);
      return over === null ? 1 : await reportEnd(session, client, over, options.approveIfBetter);
    });
}

function addTrainOptions(command: Command): void {
  addCodeOptions(command);
  command.optionsGroup('Results:').option(
    '--group <name>',
    'register the model as the next version of this group',
    parsedBy((name) => checkName('group', name)),
  );
  addMetricOption(command);
  command.addOption(
    new Option(
      '--approve-if-better <metric>',
      'approve the version if its metric is better than the approved one; rmse:min if lower is better',
    ).argParser(parseBetterBy),
  );
  addPlaceOptions(command);
  command.optionsGroup('Run:').option('--name <name>', 'name of the job (default: GROUP-N, counted)');
  addRunOptions(command);
  command
    .option('--wait', 'wait for its end; Ctrl-C detaches, a second one stops it', true)
    .option('--detach', 'return at once, while it runs', false);
}

async function startJob(session: VerbSession, client: Client, options: TrainOptions, inputs: TrainInputs): Promise<TrainingJobBody> {
  const spec = { ...defined({ name: options.name, group: options.group }), ...trainSpecOf(options, inputs) };
  const { source, data } = inputs;
  const progress = new Progress(session.context);
  const sizes = sizesText(inputs);
  progress.stage('upload', sizes);
  try {
    const parts = [
      { name: 'spec', content: JSON.stringify(spec) },
      sourcePart(source),
      ...data.flatMap(({ part }) => (part === null ? [] : [part])),
    ];
    const job = await client.post<TrainingJobBody>('/training-jobs', formBody(parts));
    progress.done(`${job.name} (${job.environment ?? 'no environment'}, ${job.instance_type}): ${sizes}`);
    for (const note of job.notes) progress.remark('note', note);
    return job;
  } catch (error) {
    progress.fail();
    throw error;
  }
}

/** Prints the end of a job. Throws `CliError` unless it completed. */
async function reportEnd(session: VerbSession, client: Client, job: TrainingJobBody, by?: BetterBy): Promise<number> {
  const version = by === undefined ? await versionOf(client, job) : await approveIfBetter(session, client, job, by);
  if (job.status !== 'Completed') {
    session.print(job, '');
    const why = job.reason ?? job.transitions.at(-1)?.message ?? '';
    throw new CliError(`${job.name} is ${job.status}: ${why}; see penstock training logs ${job.name}`);
  }
  for (const note of job.notes) session.remark(`note: ${note}`);
  session.print({ ...job, model_version: version }, await endText(client, job, version));
  return 0;
}

async function versionOf(client: Client, { version }: TrainingJobBody): Promise<VersionBody | null> {
  return version === null ? null : client.get<VersionBody>(versionUrlPath(version));
}

/** `completed in 6.9 s, $0.0004: digits/7, accuracy 0.953 (digits/6: 0.941), PendingManualApproval`, and what to do next. */
async function endText(client: Client, job: TrainingJobBody, version: VersionBody | null): Promise<string> {
  const took = formatMsText(Date.parse(job.ended_at ?? job.updated_at) - Date.parse(job.created_at));
  const cost = job.usage === null ? '' : `, ${formatUsd(job.usage.usd)}`;
  const before = version === null ? null : await versionBefore(client, version);
  const measured = job.metrics.map(({ name, value }) => {
    const old = before?.metrics[name];
    return `${name} ${formatMetric(value)}${old === undefined ? '' : ` (${before?.name}: ${formatMetric(old)})`}`;
  });
  const results = version === null ? [job.artifact ?? 'no model', ...measured] : [version.name, ...measured, version.approval];
  const done = `completed in ${took}${cost}: ${results.join(', ')}\n`;
  if (version === null) return done;
  return `${done}next: ${version.approval === 'Approved' ? `penstock deploy ${version.name} ${version.group}` : `penstock approve ${version.name}`}\n`;
}

/** The version of the group before this one, which may have been deleted. */
async function versionBefore(client: Client, { group, version }: VersionBody): Promise<VersionBody | null> {
  if (version === 1) return null;
  return ifFound(client.get<VersionBody>(versionUrlPath(`${group}/${version - 1}`)));
}
