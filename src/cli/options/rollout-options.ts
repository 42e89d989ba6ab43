/** The options of `deploy` for monitored updates, which are rolled back if the new version does worse. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { EndpointBody } from '../../api/index.ts';
import { defined } from '../../defined.ts';
import { parseDurationMs } from '../../objective.ts';
import { CliError } from '../cli-error.ts';
import { utcText } from '../output/format.ts';
import { parsedBy, wholeNumber } from '../verb.ts';
import { parsedShare } from './parsed-values.ts';

export interface RolloutOptions {
  /** The steps; the last one, 100 %, may be omitted. */
  readonly canary?: readonly CanaryStep[];
  /** Milliseconds, for each step without its own duration. */
  readonly watch?: number;
  readonly rollbackOn?: readonly string[];
  readonly minRequests?: number;
  /** Milliseconds. */
  readonly watchMax?: number;
  readonly ifTooFew?: 'pause' | 'continue';
}

interface CanaryStep {
  /** Percent of traffic. */
  readonly percent: number;
  /** Null: the duration of `--watch`. */
  readonly watchMs: number | null;
}

const watchMsDefault = 300_000;

/** Parses `10%` or `5%:2m,25%:5m`. */
function parsedSteps(text: string): readonly CanaryStep[] {
  try {
    return text.split(',').map((step) => {
      const [share = '', time] = step.split(/:(.*)/s);
      return { percent: parsedShare(share.trim()), watchMs: time === undefined ? null : parseDurationMs(time.trim()) };
    });
  } catch {
    throw new InvalidArgumentError(`expected a share such as 10%, or steps with durations such as 5%:2m,25%:5m, got '${text}'`);
  }
}

export function addRolloutOptions(command: Command): void {
  command
    .option(
      '--canary <shares>',
      'give an update this share of traffic first, such as 10%, watch it, then give it the rest; or several steps with their own durations: 5%:2m,25%:5m,50%:10m',
      parsedSteps,
    )
    .option(
      '--watch <duration>',
      'watch each step of an update for this long (including the last, at 100%) unless --canary sets its duration; roll back if the new version does worse or an alarm fires (default with --canary: 5m)',
      parsedBy(parseDurationMs),
    )
    .option(
      '--rollback-on <alarms>',
      "alarms that cause a rollback: a,b,c (default: the endpoint's own alarms objective, errors and crash-loop, unless already in ALARM)",
      (text) => text.split(',').map((name) => name.trim()),
    )
    .option(
      '--min-requests <number>',
      'answers of the new version that each step of a watched update needs to be judged by; a step without any request completes (default: 30)',
      wholeNumber(0, 1_000_000),
    )
    .option(
      '--watch-max <duration>',
      'watch a step that has too few answers for up to this long (default: four times its own duration)',
      parsedBy(parseDurationMs),
    )
    .addOption(
      new Option('--if-too-few <action>', 'what to do after that: pause the update, or continue without (default: pause)').choices([
        'pause',
        'continue',
      ]),
    );
}

/** The request's rollout. Throws `CliError` if there is no endpoint to roll back to. */
export function rolloutOf(options: RolloutOptions, before: EndpointBody | null): Record<string, unknown> {
  const { canary, watch, rollbackOn, minRequests, watchMax, ifTooFew } = options;
  const provided = providedFlags(options);
  if (provided.length === 0) return {};
  if (before === null)
    throw new CliError(`the endpoint does not exist yet, so there is nothing to roll back to: remove ${provided.join(' and ')}`, 2);
  if (canary === undefined && watch === undefined && rollbackOn === undefined)
    throw new CliError(`${provided.join(' and ')}: for watched updates only; add --canary or --watch`, 2);
  const shares = canary ?? [];
  const all = shares.at(-1)?.percent === 100 ? shares : [...shares, { percent: 100, watchMs: null }];
  const steps = all.map(({ percent, watchMs }) => ({ percent, watch_s: (watchMs ?? watch ?? watchMsDefault) / 1000 }));
  const evidence = defined({
    min_requests: minRequests,
    watch_max_s: watchMax === undefined ? undefined : watchMax / 1000,
    if_too_few: ifTooFew,
  });
  return { rollout: { steps, ...defined({ alarms: rollbackOn }), ...evidence } };
}

/** The given options of a watched update, as flags. */
function providedFlags({ canary, watch, rollbackOn, minRequests, watchMax, ifTooFew }: RolloutOptions): string[] {
  const flags = {
    '--canary': canary,
    '--watch': watch,
    '--rollback-on': rollbackOn,
    '--min-requests': minRequests,
    '--watch-max': watchMax,
    '--if-too-few': ifTooFew,
  };
  return Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [flag]));
}

type Rollout = NonNullable<EndpointBody['rollout']>;

/** Both versions run: traffic is shifting, or the update is paused. */
export function isInProgress(rollout: EndpointBody['rollout'] | undefined): rollout is Rollout {
  return rollout?.state === 'shifting' || rollout?.state === 'paused';
}

/** The longest duration of a monitored update's steps, in milliseconds. Zero if no update is in progress. */
export function watchedMs({ rollout }: EndpointBody): number {
  if (!isInProgress(rollout)) return 0;
  const { evidence, steps } = rollout;
  const current = steps.find(({ percent }) => percent === rollout.share_percent);
  const factor = evidence === null || !current?.watch_s ? 1 : Math.max(1, evidence.watch_max_s / current.watch_s);
  return steps.reduce((sum, { watch_s }) => sum + factor * watch_s * 1000, 0);
}

/** The state of the endpoint's update; null if there is none. */
export function rolloutText({ rollout }: EndpointBody): string | null {
  if (rollout === null) return null;
  if (rollout.state === 'rolled-back') return `the last update was rolled back: ${rollout.reason}`;
  const step = rollout.steps.find(({ percent }) => percent === rollout.share_percent);
  const alarms = rollout.alarms.length === 0 ? '' : ` or an alarm fires (${rollout.alarms.join(', ')})`;
  const share = `${rollout.share_percent} % of traffic to the new workers`;
  const counted = rollout.evidence === null ? '' : `; ${answersText(rollout.evidence)}`;
  if (rollout.state === 'paused')
    return `paused with ${share}${counted}: it continues when it has them, or with \`penstock continue\`; \`penstock rollback\` reverts it`;
  const until = rollout.watched_until === null ? '' : `, until ${utcText(rollout.watched_until)} if all goes well`;
  const since = rollout.watched_since === null ? 'once its workers are ready' : `since ${utcText(rollout.watched_since)}`;
  const extended = rollout.evidence?.is_extended === true ? `, extended up to ${rollout.evidence.watch_max_s} s` : '';
  return `${share}, ${since}, watched for ${step?.watch_s ?? 0} s${extended}${until}${counted}; rolled back if they do worse${alarms}`;
}

function answersText({ answers, min_requests: minimum }: NonNullable<Rollout['evidence']>): string {
  return `${answers} of the ${minimum} answers that the step needs`;
}
