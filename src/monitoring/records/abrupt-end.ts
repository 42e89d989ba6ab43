/** Servers that ended without a word: killed, crashed, or their machine with them. What they had not written yet is lost, which is told. */
import type { Log } from '../logs.ts';
import { requestLineMsMax } from '../request-log/request-log.ts';
import type { Events } from './events.ts';

const kind = 'server.ended-abruptly';
const subject = 'server';
/** So long an operating system keeps in memory what was written to a file: Linux, unless told. */
const uncopiedMsMax = 30_000;

/** Epoch milliseconds. */
export interface AbruptEnd {
  /** The last that it wrote: it ended later. */
  readonly lastSignMs: number;
  /** It had ended by then. */
  readonly foundAtMs: number;
  /** The machine was started since: that takes more than a kill does. */
  readonly withMachine: boolean;
}

export interface AbruptEndNeeds {
  readonly events: Pick<Events, 'recordAndPublish'>;
  readonly log: Pick<Log, 'warn'>;
  /** Epoch milliseconds. Null: the server before ended as it should. */
  readonly lastSignMs: number | null;
  readonly machineStartedAtMs: number;
}

/** For the beginning of a server. */
export async function tellAbruptEnd({ events, log, lastSignMs, machineStartedAtMs }: AbruptEndNeeds): Promise<void> {
  if (lastSignMs === null) return;
  const withMachine = lastSignMs < machineStartedAtMs;
  await events.recordAndPublish({ kind, subject, detail: { lastSignMs, withMachine } });
  log.warn(
    { lastSign: isoOf(lastSignMs) },
    withMachine
      ? 'the machine went down under the server before this one: what it measured, counted and logged in its last 30 s may be lost'
      : 'the server before this one ended abruptly (kill -9, a crash): what it measured and counted in its last 10 s is lost, and log lines of 0.3 s',
  );
}

/** The latest first, `limit` at most, without those that were over before `sinceMs`. */
export async function abruptEnds(events: Pick<Events, 'recent'>, sinceMs: number, limit: number): Promise<AbruptEnd[]> {
  const found = await events.recent({ subjects: [subject], kinds: [kind], limit });
  return found
    .map(({ atMs, detail }) => ({ ...(detail as Omit<AbruptEnd, 'foundAtMs'>), foundAtMs: atMs }))
    .filter(({ foundAtMs }) => foundAtMs >= sinceMs);
}

/** When lines of requests were lost: `the last 0.3 s before the server ended abruptly …, which was between … and …`. */
export function linesLostIn({ lastSignMs, foundAtMs, withMachine }: AbruptEnd): string {
  const seconds = (withMachine ? uncopiedMsMax : requestLineMsMax) / 1000;
  const ended = withMachine ? 'the machine went down under the server' : 'the server ended abruptly (kill -9, a crash)';
  return `the last ${seconds} s before ${ended}, which was between ${isoOf(lastSignMs)} and ${isoOf(foundAtMs)}`;
}

function isoOf(atMs: number): string {
  return new Date(atMs).toISOString();
}
