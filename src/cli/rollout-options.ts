/** The options of `deploy` that have an update watched, and taken back where it does not do well. */
import type { Command } from 'commander';
import type { EndpointBody } from '../api/index.ts';
import { parseDurationMs } from '../objective.ts';
import { Failure } from './failure.ts';
import { parsedShare } from './parsed-share.ts';
import { parsedBy } from './verb.ts';
import { utcText } from './words.ts';

export interface RolloutOptions {
  /** Of the requests, in the first step. */
  readonly canary?: number;
  /** Milliseconds, of each step. */
  readonly watch?: number;
  readonly rollbackOn?: readonly string[];
}

const watchMsDefault = 300_000;

export function addRolloutOptions(command: Command): void {
  command
    .option('--canary <share>', 'an update takes so many of the requests first, such as 10%, is watched, then takes the rest', parsedShare)
    .option(
      '--watch <duration>',
      'watch each step of an update for so long (with --canary two: the share, then all), and take it back where its requests go worse than before, or an alarm rings (default with --canary: 5m)',
      parsedBy(parseDurationMs),
    )
    .option(
      '--rollback-on <alarms>',
      "the alarms to watch: a,b,c (default: the endpoint's own on objective, errors and crash-loop)",
      (text) => text.split(',').map((name) => name.trim()),
    );
}

/** Throws `Failure` where there is nothing to go back to. */
export function rolloutOf({ canary, watch, rollbackOn }: RolloutOptions, before: EndpointBody | null): Record<string, unknown> {
  if (canary === undefined && watch === undefined && rollbackOn === undefined) return {};
  if (before === null) throw new Failure('there is no endpoint yet to go back to: leave out --canary, --watch and --rollback-on', 2);
  const watch_s = (watch ?? watchMsDefault) / 1000;
  const steps = [...(canary === undefined || canary === 100 ? [] : [canary]), 100].map((percent) => ({ percent, watch_s }));
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
