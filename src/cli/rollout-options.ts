/** The options of `deploy` that have an update watched, and taken back where it does not do well. */
import { type Command, InvalidArgumentError } from 'commander';
import type { EndpointBody } from '../api/index.ts';
import { parseDurationMs } from '../objective.ts';
import { Failure } from './failure.ts';
import { parsedShare } from './parsed-share.ts';
import { parsedBy } from './verb.ts';
import { utcText } from './words.ts';

export interface RolloutOptions {
  /** The steps before the last, or with it. */
  readonly canary?: readonly CanaryStep[];
  /** Milliseconds, of each step that has no time of its own. */
  readonly watch?: number;
  readonly rollbackOn?: readonly string[];
}

interface CanaryStep {
  /** Of the requests. */
  readonly percent: number;
  /** Null where it is watched as long as the others. */
  readonly watchMs: number | null;
}

const watchMsDefault = 300_000;

/** `10%`, or `5%:2m,25%:5m`. */
function parsedSteps(text: string): readonly CanaryStep[] {
  try {
    return text.split(',').map((step) => {
      const [share = '', time] = step.split(/:(.*)/s);
      return { percent: parsedShare(share.trim()), watchMs: time === undefined ? null : parseDurationMs(time.trim()) };
    });
  } catch {
    throw new InvalidArgumentError(
      `expected a share such as 10%, or several with how long each is watched, such as 5%:2m,25%:5m, got '${text}'`,
    );
  }
}

export function addRolloutOptions(command: Command): void {
  command
    .option(
      '--canary <shares>',
      'an update takes so many of the requests first, such as 10%, is watched, then takes the rest; or several steps, each watched for its own time: 5%:2m,25%:5m,50%:10m',
      parsedSteps,
    )
    .option(
      '--watch <duration>',
      'watch each step of an update that has no time of its own for so long (with --canary the last, of all, too), and take it back where its requests go worse than before, or an alarm rings (default with --canary: 5m)',
      parsedBy(parseDurationMs),
    )
    .option(
      '--rollback-on <alarms>',
      "the alarms to watch: a,b,c (default: the endpoint's own on objective, errors and crash-loop that do not ring already)",
      (text) => text.split(',').map((name) => name.trim()),
    );
}

/** Throws `Failure` where there is nothing to go back to. */
export function rolloutOf({ canary, watch, rollbackOn }: RolloutOptions, before: EndpointBody | null): Record<string, unknown> {
  if (canary === undefined && watch === undefined && rollbackOn === undefined) return {};
  if (before === null) throw new Failure('there is no endpoint yet to go back to: leave out --canary, --watch and --rollback-on', 2);
  const given = canary ?? [];
  const all = given.at(-1)?.percent === 100 ? given : [...given, { percent: 100, watchMs: null }];
  const steps = all.map(({ percent, watchMs }) => ({ percent, watch_s: (watchMs ?? watch ?? watchMsDefault) / 1000 }));
  return { rollout: { steps, ...(rollbackOn === undefined ? {} : { alarms: rollbackOn }) } };
}

/** How long it is watched in all, beside what else there is to wait for. */
export function watchedMs({ rollout }: EndpointBody): number {
  return rollout?.state === 'shifting' ? rollout.steps.reduce((sum, { watch_s }) => sum + watch_s * 1000, 0) : 0;
}

/** What the requests do meanwhile. */
export function rolloutText({ rollout }: EndpointBody): string | null {
  if (rollout === null) return null;
  if (rollout.state === 'taken-back') return `the last update was taken back: ${rollout.reason}`;
  const step = rollout.steps.find(({ percent }) => percent === rollout.share_percent);
  const alarms = rollout.alarms.length === 0 ? '' : `, or by ${rollout.alarms.join(', ')}`;
  const until = rollout.watched_until === null ? '' : `, over at ${utcText(rollout.watched_until)} if all goes well`;
  const since = rollout.watched_since === null ? 'when its workers are ready' : `since ${utcText(rollout.watched_since)}`;
  return `${rollout.share_percent} % of the requests to the new workers, ${since}, for ${step?.watch_s ?? 0} s${until}; taken back where its requests go worse${alarms}`;
}
