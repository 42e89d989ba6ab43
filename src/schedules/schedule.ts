/** Schedules of scheduled actions: `at(2026-12-01T08:00:00)`, `rate(5 minutes)`, `cron(0 8 ? * MON-FRI *)`. Pure. */
import { PlatformError } from '../errors.ts';
import { type Cron, daysInMonth, parseCron } from './cron.ts';

/** A parsed schedule. Times are epoch milliseconds; `zone` is an IANA name. */
export type Schedule =
  | { readonly kind: 'at'; readonly atMs: number }
  | { readonly kind: 'rate'; readonly everyMs: number }
  | { readonly kind: 'cron'; readonly cron: Cron; readonly zone: string };

/** AWS's limit. */
const expressionLengthMax = 1600;
const unitMs: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Throws `invalid_request` for an invalid expression or an unknown time zone. */
export function parseSchedule(text: string, zone = 'UTC'): Schedule {
  if (!isTimeZone(zone)) throw validationError(`Timezone '${zone.slice(0, 80)}' is unknown: expected a name such as UTC or Europe/Berlin.`);
  const [, kind, inner = ''] = /^\s*(at|rate|cron)\((.*)\)\s*$/s.exec(text.slice(0, expressionLengthMax)) ?? [];
  switch (kind) {
    case 'at':
      return { kind, atMs: momentOf(readMoment(inner), zone) };
    case 'rate':
      return { kind, everyMs: readRate(inner) };
    case 'cron':
      return { kind, cron: parseCron(inner), zone };
    default:
      throw validationError(
        `Schedule '${text.slice(0, 80)}' is invalid: expected at(yyyy-mm-ddThh:mm:ss), rate(5 minutes) or cron(0 8 ? * MON-FRI *).`,
      );
  }
}

/** The next due time after `afterMs`; null if there is none. A rate counts from `sinceMs`, which is itself a due time. */
export function nextDueMs(schedule: Schedule, afterMs: number, sinceMs: number): number | null {
  switch (schedule.kind) {
    case 'at':
      return schedule.atMs > afterMs ? schedule.atMs : null;
    case 'rate': {
      if (afterMs < sinceMs) return sinceMs;
      return sinceMs + (Math.floor((afterMs - sinceMs) / schedule.everyMs) + 1) * schedule.everyMs;
    }
    case 'cron':
      return nextOfCron(schedule.cron, schedule.zone, afterMs);
  }
}

/** Starts one day early because a zone's wall clock differs from UTC by at most a day. */
function nextOfCron(cron: Cron, zone: string, afterMs: number): number | null {
  const from = new Date(wallClockMs(afterMs, zone) - 86_400_000);
  const fromDay = from.getTime() - (from.getTime() % 86_400_000);
  for (const year of cron.years) {
    if (year < from.getUTCFullYear()) continue;
    for (const month of cron.months) {
      if (Date.UTC(year, month, 0) < fromDay) continue;
      for (let day = 1; day <= daysInMonth(year, month); day++) {
        const dayMs = Date.UTC(year, month - 1, day);
        if (dayMs < fromDay || !cron.isDay(year, month, day)) continue;
        const dueMs = firstAfter(cron, dayMs, zone, afterMs);
        if (dueMs !== null) return dueMs;
      }
    }
  }
  return null;
}

/** Upper bound of a change of clocks. */
const clockChangeMs = 2 * 3_600_000;

/** The first due time of a day after `afterMs`. Clocks may skip or repeat an hour, so wall times need not be in order. */
function firstAfter({ hours, minutes }: Cron, dayMs: number, zone: string, afterMs: number): number | null {
  const lastMs = momentOf(dayMs + 86_399_000, zone);
  if (lastMs + clockChangeMs <= afterMs) return null;
  const passedMs = wallClockMs(afterMs, zone) - dayMs - clockChangeMs;
  for (const hour of hours) {
    if ((hour + 1) * 3_600_000 < passedMs) continue;
    for (const minute of minutes) {
      const dueMs = momentOf(dayMs + hour * 3_600_000 + minute * 60_000, zone);
      if (dueMs > afterMs) return dueMs;
    }
  }
  return null;
}

function readMoment(text: string): number {
  const [, ...digits] = /^\s*(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})(?::(\d{2}))?\s*$/.exec(text) ?? [];
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = digits.map((each) => Number(each ?? 0));
  const isDate = month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month);
  if (digits.length === 0 || !isDate || hour > 23 || minute > 59 || second > 59) {
    throw validationError(`Schedule at(${text.slice(0, 80)}) is not a valid date and time: expected at(yyyy-mm-ddThh:mm:ss).`);
  }
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function readRate(text: string): number {
  const [, count = '', unit = ''] = /^\s*([1-9]\d{0,6})\s+(minute|hour|day)s?\s*$/.exec(text) ?? [];
  if (count === '')
    throw validationError(`Schedule rate(${text.slice(0, 80)}) is invalid: expected rate(5 minutes), rate(1 hour) or rate(7 days).`);
  return Number(count) * (unitMs[unit] as number);
}

function validationError(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}

/** Wall clocks of time zones. Pure. */

/** Epoch milliseconds of the zone's wall clock read as UTC, so `getUTC…` returns local fields. */
type WallClockMs = number;

const formats = new Map<string, Intl.DateTimeFormat | null>();
const cachedZonesMax = 1000;

/** Whether the zone is known, such as `Europe/Berlin`. */
function isTimeZone(zone: string): boolean {
  return formatOf(zone) !== null;
}

/** The wall clock of a zone at a moment. */
export function wallClockMs(atMs: number, zone: string): WallClockMs {
  const format = zone === 'UTC' ? null : formatOf(zone);
  if (format === null) return atMs;
  const parts: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(atMs)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** The moment of a wall clock time. A skipped time moves by the length of the gap; a repeated one means either moment. */
export function momentOf(wallMs: WallClockMs, zone: string): number {
  const guessMs = wallMs - (wallClockMs(wallMs, zone) - wallMs);
  return wallMs - (wallClockMs(guessMs, zone) - guessMs);
}

function formatOf(zone: string): Intl.DateTimeFormat | null {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const created = newFormat(zone);
  if (formats.size < cachedZonesMax) formats.set(zone, created);
  return created;
}

function newFormat(timeZone: string): Intl.DateTimeFormat | null {
  const two = '2-digit';
  const fields = { year: 'numeric', month: two, day: two, hour: two, minute: two, second: two, hourCycle: 'h23' } as const;
  try {
    return /^[A-Za-z][\w/+-]{0,63}$/.test(timeZone) ? new Intl.DateTimeFormat('en-US', { timeZone, ...fields }) : null;
  } catch {
    return null; // unknown zone
  }
}
