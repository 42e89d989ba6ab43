/** Step evaluate: the new version and the one that it would replace answer the same labelled rows. */
import { hash } from 'node:crypto';
import { productionVariants } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { sameName } from '../../names.ts';
import type { OpenTrainingObject, TrainingBuckets } from '../attempts/buckets.ts';
import { compareAnswers, meanScore } from './judge-better.ts';
import { runName } from './pipeline.ts';
import { s3UriParts } from './pipeline-file.ts';
import type { EvaluateSettings, PipelineSpec } from './pipeline-spec.ts';
import { pauseFor, type RunStepDeps, type StepContext, type StepOutcome } from './run-steps.ts';

const pollMs = 200;

/** Stores the evaluation's id before it is created, so a repeated step finds it instead of creating another one. */
export async function evaluateStep(context: StepContext): Promise<StepOutcome> {
  const { deps, spec, run, who, save, signal } = context;
  const settings = spec.evaluate as EvaluateSettings;
  const version = run.version as string;
  const set = await holdoutSet(deps, settings, { who, before: run.holdoutBefore ?? null });
  const against = run.evaluation === null ? await versionAgainst(deps, spec, version) : run.against;
  const uses = 1 + (await deps.rows.usesOf(set.name, run));
  const id = evaluationIdOf(runName(run), run.startedAtMs);
  await save({ evaluation: id, against, holdout: against === null ? null : { set: set.name, rows: set.rows, uses } });
  const models = against === null ? [version] : [version, against];
  if ((await deps.evaluations.find(id)) === null)
    await deps.evaluations.create({ id, set: set.name, models, skipsBadLabels: false, acceptsPending: version }, who);
  for (;;) {
    signal.throwIfAborted();
    const { state, reason, candidates } = await deps.evaluations.get(id);
    if (state === 'InProgress') {
      await pauseFor(deps.clock, pollMs, signal);
      continue;
    }
    const failed = candidates.find((candidate) => candidate.state !== 'Completed');
    if (state !== 'Completed' || failed !== undefined) {
      const why = failed === undefined ? reason : `${failed.model}: ${failed.reason ?? failed.state}`;
      return { state: 'Failed', note: `the evaluation on ${settings.data} did not complete: ${why ?? state}` };
    }
    return outcomeOf(context, await deps.evaluations.answersOf(id), { version, against, uses });
  }
}

function outcomeOf(
  { spec }: StepContext,
  { models }: Awaited<ReturnType<RunStepDeps['evaluations']['answersOf']>>,
  { version, against, uses }: { readonly version: string; readonly against: string | null; readonly uses: number },
): StepOutcome {
  const { metric } = spec.evaluate as EvaluateSettings;
  const lossesOf = (name: string): Float64Array | null => models.find((model) => sameName(model.name, name))?.losses ?? null;
  const [newLosses, oldLosses] = [lossesOf(version), against === null ? null : lossesOf(against)];
  if (newLosses === null) throw new PlatformError('unavailable', `the answers of ${version} could not be read`);
  const scores = { now: meanScore(newLosses, metric), before: oldLosses === null ? null : meanScore(oldLosses, metric) };
  const test = oldLosses === null ? null : compareAnswers(newLosses, oldLosses, metric);
  const before = against === null ? 'no version to compare with' : `${against}: ${figure(scores.before)}`;
  const counted = uses === 1 || against === null ? '' : `; test ${uses} on these rows, each at the same level`;
  return {
    state: 'Completed',
    note: `${metric} ${figure(scores.now)} on ${newLosses.length} rows (${before})${counted}`,
    facts: { scores, test },
  };
}

function figure(value: number | null): string {
  return value === null ? 'none' : String(Number(value.toPrecision(4)));
}

/** The holdout as an evaluation set. Its name is derived from its content, so the same rows are one set and a changed file is another. */
async function holdoutSet(
  { buckets, evaluations }: RunStepDeps,
  settings: EvaluateSettings,
  { who, before }: { readonly who: string; readonly before: string | null },
) {
  const { data, label, metric } = settings;
  const object = await openHoldout(buckets, data);
  try {
    const format = formatOf(data);
    if (before !== null && before !== nameOf(object, settings))
      throw new PlatformError(
        'wrong_state',
        `${data} was changed while the model was trained, so it cannot judge the model: start another run`,
      );
    return await evaluations.sets.put({ name: nameOf(object, settings), label, metric, format, source: object.stream() }, who);
  } finally {
    object.close();
  }
}

/** The name of that set, without storing it. Throws `not_found` if the object is missing. */
export async function holdoutName(buckets: TrainingBuckets, settings: EvaluateSettings): Promise<string> {
  const object = await openHoldout(buckets, settings.data);
  object.close();
  return nameOf(object, settings);
}

async function openHoldout(buckets: TrainingBuckets, data: string): Promise<OpenTrainingObject> {
  const { bucket, prefix: key } = s3UriParts(data);
  const object = await buckets.open(bucket, key);
  if (object === null) throw new PlatformError('not_found', `evaluate.data: there is no object ${data}`);
  return object;
}

function nameOf({ pieces }: OpenTrainingObject, { data, label, metric }: EvaluateSettings): string {
  const content = JSON.stringify([pieces.map(({ sha256 }) => sha256), label, metric, formatOf(data)]);
  return `holdout-${hash('sha256', content).slice(0, 20)}`;
}

function formatOf(data: string): 'csv' | 'jsonl' {
  return /\.jsonl$/i.test(data) ? 'jsonl' : 'csv';
}

/** The version that the new one is compared with: without the endpoint, the newest Approved one of the group; null if there is none. Throws `wrong_state` if the endpoint serves another group. */
export async function versionAgainst(
  { deployments, registry }: Pick<RunStepDeps, 'deployments' | 'registry'>,
  { evaluate, deploy, group }: PipelineSpec,
  version: string | null,
): Promise<string | null> {
  if (evaluate === null || evaluate.against === 'none') return null;
  if (evaluate.against !== 'deployed') {
    const [named = '', number = ''] = evaluate.against.split('/');
    const found = (await registry.version(named, Number(number))).name;
    return version !== null && sameName(found, version) ? null : found;
  }
  const endpoint = deployments.list().find(({ config }) => sameName(config.name, deploy?.endpoint ?? ''));
  // Otherwise a deployer who deletes the endpoint could have the next model approved without a test.
  if (endpoint === undefined) {
    const approved = (await registry.latestApproved(group ?? ''))?.name ?? null;
    return approved !== null && version !== null && sameName(approved, version) ? null : approved;
  }
  const own = productionVariants(endpoint.config.variants).filter((variant) => sameName(variant.group, group ?? ''));
  const [heaviest] = own.toSorted((a, b) => b.weight - a.weight);
  if (heaviest === undefined) throw otherGroup(endpoint.config.name, endpoint.config.variants[0]?.group ?? '', group ?? '');
  return `${heaviest.group}/${heaviest.version}`;
}

/** A pipeline replaces versions of its own group only. */
export function otherGroup(endpoint: string, serves: string, group: string): PlatformError {
  return new PlatformError(
    'wrong_state',
    `endpoint ${endpoint} serves group ${serves}, not ${group}: name an endpoint of ${group}, or a new one`,
  );
}

/** An id that is derived from the run, so every server finds the same evaluation. */
function evaluationIdOf(run: string, startedAtMs: number): string {
  const hex = hash('sha256', `${run} ${startedAtMs}`);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
