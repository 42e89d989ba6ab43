/** A minimum instance count at certain times of the day, written as `mon-fri 08:00-18:00 3`, in UTC. Pure. */
import { PlatformError } from '../../errors.ts';

/** The minimum from `fromMinute` until `untilMinute` of the day (UTC; across midnight if `untilMinute` is not later). */
export interface ScheduledFloor {
  /** The days on which it begins; 0 is Sunday. Empty: every day. */
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
    throw new PlatformError('invalid_request', `invalid scheduled floor '${text.slice(0, 60)}': expected ${expected}`);
  }
  return { days: known, fromMinute, untilMinute, instances: Number(count) };
}

/** The shortest text that `parseFloor` reads as this floor. */
export function formatFloor({ days, fromMinute, untilMinute, instances }: ScheduledFloor): string {
  const times = `${timeOf(fromMinute)}-${timeOf(untilMinute)} ${instances}`;
  return days.length === 0 ? times : `${daysText(days)} ${times}`;
}

/** Null if the text is not a floor. */
function minuteOf(text: string): number | null {
  const [hours = Number.NaN, minutes = Number.NaN] = text.split(':').map(Number);
  const minute = 60 * hours + minutes;
  return minutes < 60 && minute <= minutesPerDay ? minute : null;
}

function timeOf(minute: number): string {
  return [Math.floor(minute / 60), minute % 60].map((part) => String(part).padStart(2, '0')).join(':');
}

/** Reads `mon-fri`, `sat,sun` or `fri-mon`: each day once, Sunday first. Null if a day is unknown. */
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

/** Three or more consecutive days are written as a range. */
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
