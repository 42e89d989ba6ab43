/** The three logs: platform (events and errors), requests and control calls (one line each). */
import { join } from 'node:path';
import { pino } from 'pino';
import { type Clock, SystemClock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { type AccessLine, formatAccessLine } from './access-line.ts';
import { LineFile } from './line-file.ts';
import { RequestLog } from './request-log/request-log.ts';

type WriteLine = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** Structured fields plus a message for users. */
export interface Log {
  readonly debug: WriteLine;
  readonly info: WriteLine;
  readonly warn: WriteLine;
  readonly error: WriteLine;
  /** Returns a log that adds these fields to every line. */
  child(fields: Readonly<Record<string, unknown>>): Log;
}

/** Opened before all other modules, and closed after them. */
export interface Logs {
  readonly platform: Log;
  readonly requests: Pick<RequestLog, 'weightOf' | 'add'>;
  /** Lines per log that were lost because the disk was too slow or failed. */
  dropped(): Readonly<Record<'platform' | 'requests' | 'access', number>>;
  /** Logs a finished control call. Never throws. */
  access(line: AccessLine): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** In ascending order; `silent` logs nothing. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
/** Lines below it are not written. */
export type LogLevel = (typeof logLevels)[number];

const levelNumbers: Record<LogLevel, number> = { debug: 20, info: 30, warn: 40, error: 50, silent: Number.POSITIVE_INFINITY };
const fileBytesMax = 64 * 1024 * 1024;
/** Per log, including the current file. */
export const logFileCount = 3;
const requestLinesPerSecondDefault = 1000;

/** Settings of the three logs. */
export interface LogOptions {
  readonly clock?: Clock;
  /** Limit for ordinary request lines of one endpoint. Default: 1,000. */
  readonly requestLinesPerSecond?: number;
  /** Receives the human-readable lines. Default: standard error. */
  readonly show?: (text: string) => void;
}

/**
 * Writes to `directory` (`platform.log`, `requests.log`, `access.log`, each at most 3 files of 64 MiB) and shows platform lines at `level`
 * or above. The file gets lines from `info` on, or from `debug` if that is the level. Without a directory nothing is stored.
 */
export function openLogs(directory: string | null, level: string, options: LogOptions = {}): Logs {
  const shownFrom = levelNumbers[isLogLevel(level) ? level : 'info'];
  const clock = options.clock ?? new SystemClock();
  const show = options.show ?? ((text: string) => void process.stderr.write(text));
  const file = (name: string): LineFile | null => {
    if (directory === null) return null;
    const onWriteFailure = (error: unknown): void =>
      show(`warn  failed to write ${name}: ${messageOf(error)}. Lines are dropped until it succeeds\n`);
    return new LineFile(join(directory, name), { clock, fileBytesMax, files: logFileCount, onWriteFailure });
  };
  const platformFile = file('platform.log');
  const requestFile = file('requests.log');
  const accessFile = file('access.log');
  const linesPerSecond = options.requestLinesPerSecond ?? requestLinesPerSecondDefault;
  const requests = requestFile === null ? null : new RequestLog(requestFile, clock, linesPerSecond);
  const write = (line: string): void => {
    platformFile?.write(line);
    const entry = JSON.parse(line) as PlatformLine;
    if (entry.level >= shownFrom) show(formatForPeople(entry));
  };
  const platform = pino({ level: shownFrom <= levelNumbers.debug ? 'debug' : 'info', base: null, messageKey: 'message' }, { write });
  return {
    platform,
    requests: requests ?? noRequests,
    dropped: () => ({ platform: platformFile?.dropped ?? 0, requests: requestFile?.dropped ?? 0, access: accessFile?.dropped ?? 0 }),
    access: accessFile === null ? () => undefined : (line) => accessFile.write(formatAccessLine(line)),
    async flush() {
      requests?.write();
      await Promise.all([platformFile?.flush(), requestFile?.flush(), accessFile?.flush()]);
    },
    async close() {
      requests?.write();
      await Promise.all([platformFile?.close(), requestFile?.close(), accessFile?.close()]);
    },
  };
}

/** Used if there is no log directory. */
const noRequests: Logs['requests'] = { weightOf: () => 0, add: () => undefined };

interface PlatformLine {
  readonly level: number;
  readonly time: number;
  readonly message?: string;
  readonly [field: string]: unknown;
}

/** `info  endpoint is in service  endpoint=digits ms=120`: always one line, even if values contain line breaks. */
function formatForPeople({ level, time: _time, message = '', ...fields }: PlatformLine): string {
  const name = logLevels.find((word) => levelNumbers[word] >= level) ?? 'error';
  const reported = Object.entries(fields).filter(([, value]) => value !== null);
  const rest = reported.map(([key, value]) => `${key}=${typeof value === 'string' && /^\S+$/.test(value) ? value : JSON.stringify(value)}`);
  return `${[name.padEnd(5), message.replaceAll(/\s*\n\s*/g, ' | '), ...rest].join(' ').trimEnd()}\n`;
}

function isLogLevel(word: string): word is LogLevel {
  return Object.hasOwn(levelNumbers, word);
}
