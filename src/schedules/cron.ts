/**
 * AWS's cron expressions: minutes, hours, day of month, month, day of week, year. One of the two day fields is `?`. Sunday is 1.
 * `L` is the last day, `W` the nearest weekday, and `#` the n-th such day of the month. Pure.
 */
import { PlatformError } from '../errors.ts';

/** A parsed expression: the values that each field allows. */
export interface Cron {
  /** Ascending, as are the other fields. */
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly months: readonly number[];
  readonly years: readonly number[];
  readonly isDay: (year: number, month: number, day: number) => boolean;
}

interface Field {
  readonly name: string;
  readonly least: number;
  readonly most: number;
  readonly names?: readonly string[];
}

const monthWords = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const dayWords = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const fields = {
  minutes: { name: 'minutes', least: 0, most: 59 },
  hours: { name: 'hours', least: 0, most: 23 },
  dayOfMonth: { name: 'day of month', least: 1, most: 31 },
  month: { name: 'month', least: 1, most: 12, names: monthWords },
  dayOfWeek: { name: 'day of week', least: 1, most: 7, names: dayWords },
  year: { name: 'year', least: 1970, most: 2199 },
} as const satisfies Record<string, Field>;

/** Parses the text between the parentheses of `cron(…)`. Throws `invalid_request`. */
export function parseCron(text: string): Cron {
  const parts = text.trim().toUpperCase().split(/\s+/);
  const [minutes = '', hours = '', dayOfMonth = '', month = '', dayOfWeek = '', year = ''] = parts;
  if (parts.length !== 6)
    throw validationError(`expected six fields (minutes, hours, day of month, month, day of week, year), got ${parts.length}`);
  if ((dayOfMonth === '?') === (dayOfWeek === '?')) throw validationError('exactly one of day of month and day of week must be ?');
  return {
    minutes: numbersOf(minutes, fields.minutes),
    hours: numbersOf(hours, fields.hours),
    months: numbersOf(month, fields.month),
    years: numbersOf(year, fields.year),
    isDay: dayOfWeek === '?' ? dayOfMonthRule(dayOfMonth) : dayOfWeekRule(dayOfWeek),
  };
}

type DayRule = Cron['isDay'];

function dayOfMonthRule(text: string): DayRule {
  return anyOf(
    text.split(',').map((part) => {
      if (part === 'L') return (year, month, day) => day === daysInMonth(year, month);
      if (part === 'LW') return (year, month, day) => day === nearestWeekday(year, month, daysInMonth(year, month));
      const [, nearest] = /^(\d{1,2})W$/.exec(part) ?? [];
      if (nearest !== undefined) {
        const wanted = numberOf(nearest, fields.dayOfMonth);
        return (year, month, day) => wanted <= daysInMonth(year, month) && day === nearestWeekday(year, month, wanted);
      }
      const days = numbersOf(part, fields.dayOfMonth);
      return (_year, _month, day) => days.includes(day);
    }),
  );
}

function dayOfWeekRule(text: string): DayRule {
  return anyOf(
    text.split(',').map((part) => {
      const [, nthDay, nth] = /^(\w{1,3})#([1-5])$/.exec(part) ?? [];
      if (nthDay !== undefined) {
        const wanted = numberOf(nthDay, fields.dayOfWeek);
        return (year, month, day) => dayOfWeek(year, month, day) === wanted && Math.ceil(day / 7) === Number(nth);
      }
      const [, last] = /^(\w{1,3})L$/.exec(part) ?? [];
      if (last !== undefined) {
        const wanted = numberOf(last, fields.dayOfWeek);
        return (year, month, day) => dayOfWeek(year, month, day) === wanted && day + 7 > daysInMonth(year, month);
      }
      const days = numbersOf(part === 'L' ? '7' : part, fields.dayOfWeek);
      return (year, month, day) => days.includes(dayOfWeek(year, month, day));
    }),
  );
}

function anyOf(rules: readonly DayRule[]): DayRule {
  return (year, month, day) => rules.some((rule) => rule(year, month, day));
}

/** Expands `*`, `5`, `1-5`, `0/15`, `MON-FRI` and lists of these, ascending and unique. Named ranges may wrap around: `FRI-MON`. */
function numbersOf(text: string, field: Field): number[] {
  const numbers = new Set<number>();
  for (const part of text.split(',')) for (const number of rangeOf(part, field)) numbers.add(number);
  return [...numbers].sort((a, b) => a - b);
}

function rangeOf(part: string, field: Field): number[] {
  const { least, most } = field;
  const [, from = '', to, step] = /^(\*|\w{1,4})(?:-(\w{1,4}))?(?:\/(\d{1,4}))?$/.exec(part) ?? [];
  const isAll = from === '*';
  if (from === '' || (isAll && to !== undefined)) throw wrongPart(part, field);
  const first = isAll ? least : numberOf(from, field);
  // A step without an end runs to the field's maximum: `0/15`.
  const last = to !== undefined ? numberOf(to, field) : isAll || step !== undefined ? most : first;
  const every = step === undefined ? 1 : Number(step);
  if (every < 1) throw wrongPart(part, field);
  const count = most - least + 1;
  const span = last >= first ? last - first : field.names === undefined ? -1 : last - first + count;
  if (span < 0) throw wrongPart(part, field);
  return Array.from({ length: Math.floor(span / every) + 1 }, (_, i) => least + ((first - least + i * every) % count));
}

function numberOf(text: string, field: Field): number {
  const nameIndex = field.names?.indexOf(text) ?? -1;
  if (nameIndex >= 0) return field.least + nameIndex;
  const number = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= field.least && number <= field.most)) throw wrongPart(text, field);
  return number;
}

/** `month` 1 is January. */
export function daysInMonth(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** 1 is Sunday. */
function dayOfWeek(year: number, month: number, day: number): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1;
}

/** The nearest weekday within the same month. */
function nearestWeekday(year: number, month: number, day: number): number {
  const weekday = dayOfWeek(year, month, day);
  // Saturday the 1st moves to Monday the 3rd, and the last Sunday to the Friday before.
  if (weekday === 7) return day === 1 ? 3 : day - 1;
  if (weekday === 1) return day === daysInMonth(year, month) ? day - 2 : day + 1;
  return day;
}

function wrongPart(part: string, { name, least, most, names }: Field): PlatformError {
  const orNames = names === undefined ? '' : ` or ${names[0]} to ${names.at(-1)}`;
  return validationError(
    `invalid ${name}: expected ${least} to ${most}${orNames}, *, a list, a range or steps, got '${part.slice(0, 40)}'`,
  );
}

function validationError(why: string): PlatformError {
  return new PlatformError('invalid_request', `Schedule cron(...): ${why}. Example: cron(0 8 ? * MON-FRI *).`);
}
