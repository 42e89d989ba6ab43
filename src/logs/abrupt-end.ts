/**
 * Detects that the previous server ended abruptly: killed, crashed, or with its machine. Data it had not written is lost, and that is
 * reported.
 */

import type { Events } from '../records/index.ts';
import type { Log } from './logs.ts';
import { requestLineMsMax } from './request-log/request-log.ts';

const kind = 'server.crashed';
const subject = 'server';
/** How long the operating system buffers written file data in memory: the default of Linux. */
const uncopiedMsMax = 30_000;

/** Times are epoch milliseconds. */
export interface AbruptEnd {
  /** Time of its last write: it ended later. */
  readonly lastSignMs: number;
  /** When the end was detected: it ended before. */
  readonly foundAtMs: number;
  /** The machine was rebooted since, which loses more than a kill does. */
  readonly withMachine: boolean;
}

/** What tells whether the previous server ended abruptly. */
export interface AbruptEndDeps {
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly log: Pick<Log, 'warn'>;
  /** Epoch milliseconds; null if the previous server shut down cleanly. */
  readonly lastSignMs: number | null;
  readonly machineStartedAtMs: number;
}

/** Call at server start. */
export async function recordAbruptEnd({ events, log, lastSignMs, machineStartedAtMs }: AbruptEndDeps): Promise<void> {
  if (lastSignMs === null) return;
  const withMachine = lastSignMs < machineStartedAtMs;
  await events.recordAndPublish({ kind, subject, detail: { lastSignMs, withMachine } });
  log.warn(
    { lastSign: isoOf(lastSignMs) },
    withMachine
      ? 'the machine went down while the previous server was running: metrics, counters and logs of its last 30 s may be lost'
      : 'the previous server ended abruptly (kill -9 or a crash): metrics and counters of its last 10 s and log lines of its last 0.3 s are lost',
  );
}

/** Latest first, at most `limit`, without those detected before `sinceMs`. */
export async function abruptEnds(events: Pick<Events, 'recent'>, sinceMs: number, limit: number): Promise<AbruptEnd[]> {
  const found = await events.recent({ subjects: [subject], kinds: [kind], limit });
  return found
    .map(({ atMs, detail }) => ({ ...(detail as Omit<AbruptEnd, 'foundAtMs'>), foundAtMs: atMs }))
    .filter(({ foundAtMs }) => foundAtMs >= sinceMs);
}

/** Describes the period of lost request lines: `the last 0.3 s before the server ended abruptly …, between … and …`. */
export function lostLinesText({ lastSignMs, foundAtMs, withMachine }: AbruptEnd): string {
  const seconds = (withMachine ? uncopiedMsMax : requestLineMsMax) / 1000;
  const ended = withMachine ? 'the machine went down while the server was running' : 'the server ended abruptly (kill -9 or a crash)';
  return `the last ${seconds} s before ${ended}, between ${isoOf(lastSignMs)} and ${isoOf(foundAtMs)}`;
}

function isoOf(atMs: number): string {
  return new Date(atMs).toISOString();
}
