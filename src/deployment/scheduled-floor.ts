/** At least so many instances at some times of the day, as people write it: `mon-fri 08:00-18:00 3`, in UTC. Pure. */
import { PlatformError } from '../errors.ts';

/** From `fromMinute` until `untilMinute` of the day (UTC, across midnight where until is not later) at least so many instances. */
export interface ScheduledFloor {
  /** 0 is Sunday; empty: every day. The day on which it begins. */
  readonly days: readonly number[];
  readonly fromMinute: number;
  readonly untilMinute: number;
  readonly instances: number;
}

const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const minutesPerDay = 1440;

/** Throws `invalid_request`. */
export function parseFloor(text: string): ScheduledFloor {
  const [, days, from = '', until = '', count = ''] =
    /^(?:([a-z,-]+) +)?(\d\d:\d\d)-(\d\d:\d\d) +(\d{1,4})$/.exec(text.trim().toLowerCase()) ?? [];
  const [fromMinute, untilMinute] = [minuteOf(from), minuteOf(until)];
  const known = days === undefined ? [] : daysOf(days);
  if (fromMinute === null || untilMinute === null || known === null || fromMinute === minutesPerDay) {
    const expected = "DAYS FROM-UNTIL COUNT in UTC, such as 'mon-fri 08:00-18:00 3', or '22:00-02:00 2' for every day";
    throw new PlatformError('invalid_request', `'${text.slice(0, 60)}' is no scheduled floor: expected ${expected}`);
  }
  return { days: known, fromMinute, untilMinute, instances: Number(count) };
}

/** The shortest text that `parseFloor` takes for it. */
export function formatFloor({ days, fromMinute, untilMinute, instances }: ScheduledFloor): string {
  const times = `${timeOf(fromMinute)}-${timeOf(untilMinute)} ${instances}`;
  return days.length === 0 ? times : `${daysText(days)} ${times}`;
}

/** Null where it is none. */
function minuteOf(text: string): number | null {
  const [hours = Number.NaN, minutes = Number.NaN] = text.split(':').map(Number);
  const minute = 60 * hours + minutes;
  return minutes < 60 && minute <= minutesPerDay ? minute : null;
}

function timeOf(minute: number): string {
  return [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':');
}

/** `mon-fri`, `sat,sun`, `fri-mon`: each day once, Sunday first. Null where one is unknown. */
function daysOf(text: string): number[] | null {
  const days = new Set<number>();
  for (const part of text.split(',')) {
    const [first = -1, last = first, ...more] = part.split('-').map((name) => dayNames.indexOf(name));
    if (first < 0 || last < 0 || more.length > 0) return null;
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === last) break;
    }
  }
  return [...days].sort((a, b) => a - b);
}

/** Three days and more in a row are told by the first and the last of them. */
function daysText(days: readonly number[]): string {
  const isOn = (day: number): boolean => days.includes((day + 7) % 7);
  const starts = days.filter((day) => !isOn(day - 1)).sort((a, b) => ((a + 6) % 7) - ((b + 6) % 7));
  if (starts.length === 0) return 'mon-sun';
  const rows = starts.map((start) => {
    let length = 1;
    while (isOn(start + length)) length++;
    return Array.from({ length }, (_, i) => dayNames[(start + i) % 7] as string);
  });
  return rows.map((names) => (names.length > 2 ? `${names[0]}-${names.at(-1)}` : names.join(','))).join(',');
}
