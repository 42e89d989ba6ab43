/** `penstock reproduce GROUP/VERSION`: trains a version again from its code, data and settings, and compares the models. */
import type { Command } from 'commander';
import type { TrainingJobBody, TrainingJobDetailBody, VersionBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError, ServerError } from '../../cli-error.ts';
import type { Client } from '../../client/client.ts';
import { versionUrlPath } from '../../models/model-source.ts';
import { bytesText } from '../../output/format.ts';
import { followJob, jobPath } from '../../training/follow-job.ts';
import { formatMetric } from '../../training/format-job.ts';
import { type CommonOptions, type VerbSession, verb } from '../../verb.ts';

export function addReproduce(program: Command, context: CliContext): void {
  verb(
    program,
    context,
    'reproduce <group/version>',
    'train a version again, and check that the model has the same bytes, or else the same metrics',
  ).runs(async (session, _options: CommonOptions, reference: string) => reproduce(session, reference));
}

async function reproduce(session: VerbSession, reference: string): Promise<number> {
  const client = await session.client();
  const version = await client.get<VersionBody>(versionUrlPath(reference));
  const original = await originalJob(client, version);
  const name = await freeName(client, original.name);
  // No group: the same model must not become another version.
  const started = await client.post<TrainingJobBody>('/training-jobs', { json: { from: original.name, name, group: null } });
  const over = await followJob(session, client, started);
  if (over === null) return 1;
  if (over.status !== 'Completed')
    throw new CliError(`${over.name} is ${over.status}: ${over.reason ?? ''}; see penstock training logs ${over.name}`);
  const again = await client.get<TrainingJobDetailBody>(jobPath(over.name));
  const comparison = compareTrained(original, again);
  session.print({ version: version.name, job: again, ...comparison }, `${version.name} ${comparison.text}\n`);
  return comparison.agrees ? 0 : 1;
}

/** The job that made a version. Throws `CliError` if there is none, or it was deleted. */
async function originalJob(client: Client, { name, metadata }: VersionBody): Promise<TrainingJobDetailBody> {
  const job = jobOfLineage(metadata['lineage']);
  if (job === null) throw new CliError(`${name} was not trained here: expected a version of \`penstock train\` or of a training job`);
  try {
    return await client.get<TrainingJobDetailBody>(jobPath(job));
  } catch (error) {
    if (!(error instanceof ServerError && error.code === 'not_found')) throw error;
    throw new CliError(`the training job ${job} of ${name} was deleted, and its settings with it: train it again with penstock train`, 1, {
      cause: error,
    });
  }
}

/** The job that the lineage of a version names; null without a lineage. */
export function jobOfLineage(lineage: string | undefined): string | null {
  try {
    const { job } = JSON.parse(lineage ?? '') as { readonly job?: unknown };
    return typeof job === 'string' ? job : null;
  } catch {
    return null;
  }
}

/** `digits-7-again-1` */
async function freeName(client: Client, job: string): Promise<string> {
  const stem = `${job.slice(0, 50)}-again`;
  const taken = new Set((await client.all<TrainingJobBody>('/training-jobs', { name: stem })).map(({ name }) => name.toLowerCase()));
  let number = 1;
  while (taken.has(`${stem}-${number}`.toLowerCase())) number++;
  return `${stem}-${number}`;
}

type Compared = Pick<TrainingJobDetailBody, 'artifact_object' | 'metrics' | 'name'>;

/** Whether bytes, else metrics, agree. Pure. */
export function compareTrained(
  original: Compared,
  again: Compared,
): { readonly agrees: boolean; readonly isIdentical: boolean; readonly text: string } {
  const [before, after] = [original.artifact_object, again.artifact_object];
  if (before !== null && before.md5 === after?.md5)
    return {
      agrees: true,
      isIdentical: true,
      text: `is reproduced: the model has the same bytes (${bytesText(before.bytes)}, md5 ${before.md5})`,
    };
  const bytes = before === null ? `the model of ${original.name} is no longer stored` : 'the bytes differ';
  if (original.metrics.length === 0)
    return { agrees: false, isIdentical: false, text: `is not reproduced: ${bytes}, and ${original.name} has no metrics to compare` };
  const differing = original.metrics.flatMap(({ name, value }) => {
    const other = again.metrics.find((metric) => metric.name === name);
    return other?.value === value
      ? []
      : [`${name} ${other === undefined ? 'missing' : formatMetric(other.value)} instead of ${formatMetric(value)}`];
  });
  if (differing.length > 0) return { agrees: false, isIdentical: false, text: `is not reproduced: ${bytes}; ${differing.join(', ')}` };
  const equal = original.metrics.map(({ name, value }) => `${name} ${formatMetric(value)}`).join(', ');
  return { agrees: true, isIdentical: false, text: `is reproduced in its metrics: ${bytes}, and ${equal} is the same` };
}
