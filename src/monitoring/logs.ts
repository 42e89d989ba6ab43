/** The three logs: the platform's own (what happened and why), the requests' and the control calls' (one line each). */
import { join } from 'node:path';
import { pino } from 'pino';
import { type Clock, SystemClock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { type AccessLine, formatAccessLine } from './access-line.ts';
import { LineFile } from './line-file.ts';
import { RequestLog } from './request-log/request-log.ts';

type WriteLine = (fields: Readonly<Record<string, unknown>>, message: string) => void;

/** Fields for programs, a sentence for people. */
export interface Log {
  readonly debug: WriteLine;
  readonly info: WriteLine;
  readonly warn: WriteLine;
  readonly error: WriteLine;
  /** A log that adds these fields to every line. */
  child(fields: Readonly<Record<string, unknown>>): Log;
}

export interface Logs {
  readonly platform: Log;
  readonly requests: Pick<RequestLog, 'weightOf' | 'add'>;
  /** Lines of each that were lost because the disk did not follow. */
  dropped(): Readonly<Record<'platform' | 'requests' | 'access', number>>;
  /** A control call, at its end. Never throws. */
  access(line: AccessLine): void;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

const levelNumbers: Record<LogLevel, number> = { debug: 20, info: 30, warn: 40, error: 50, silent: Number.POSITIVE_INFINITY };
const fileBytesMax = 64 * 1024 * 1024;
/** Of each log, the current file included. */
export const logFileCount = 3;
const requestLinesPerSecondDefault = 1000;

export interface LogOptions {
  readonly clock?: Clock;
  /** Of one endpoint's plain requests; 1,000 unless given. */
  readonly requestLinesPerSecond?: number;
  /** Where lines for people go; standard error unless given. */
  readonly show?: (text: string) => void;
}

/**
 * Logs into `directory` (`platform.log`, `requests.log`, `access.log`, each at most 3 files of 64 MiB), and shows people the platform's
 * lines from `level` on; the file has them from `info` on, or from `debug` where that is the level. Without a directory nothing is kept.
 */
export function openLogs(directory: string | null, level: string, options: LogOptions = {}): Logs {
  const shownFrom = levelNumbers[isLogLevel(level) ? level : 'info'];
  const clock = options.clock ?? new SystemClock();
  const show = options.show ?? ((text: string) => void process.stderr.write(text));
  const file = (name: string): LineFile | null => {
    if (directory === null) return null;
    const onTrouble = (error: unknown): void => show(`warn  ${name} is not written: ${messageOf(error)}; lines are dropped until it is\n`);
    return new LineFile(join(directory, name), { clock, fileBytesMax, files: logFileCount, onTrouble });
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

/** Where no file takes lines, none is wanted. */
const noRequests: Logs['requests'] = { weightOf: () => 0, add: () => undefined };

interface PlatformLine {
  readonly level: number;
  readonly time: number;
  readonly message?: string;
  readonly [field: string]: unknown;
}

/** `info  endpoint is in service  endpoint=digits ms=120`: one line, whatever is in it. */
function formatForPeople({ level, time: _time, message = '', ...fields }: PlatformLine): string {
  const name = logLevels.find((word) => levelNumbers[word] >= level) ?? 'error';
  const told = Object.entries(fields).filter(([, value]) => value !== null);
  const rest = told.map(([key, value]) => `${key}=${typeof value === 'string' && /^\S+$/.test(value) ? value : JSON.stringify(value)}`);
  return `${[name.padEnd(5), message.replaceAll(/\s*\n\s*/g, ' | '), ...rest].join(' ').trimEnd()}\n`;
}

function isLogLevel(word: string): word is LogLevel {
  return Object.hasOwn(levelNumbers, word);
}
