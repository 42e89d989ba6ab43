/**
 * AWS's cron expressions: minutes, hours, day of month, month, day of week, year. Of both days one is `?`, days of the week
 * count from 1 for Sunday, and there are `L` (last), `W` (the weekday nearest to) and `#` (the n-th of the month). Pure.
 */
import { AwsError } from '../service.ts';

export interface Cron {
  /** Rising. */
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
  readonly words?: readonly string[];
}

const monthWords = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const dayWords = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const fields = {
  minutes: { name: 'minutes', least: 0, most: 59 },
  hours: { name: 'hours', least: 0, most: 23 },
  dayOfMonth: { name: 'day of month', least: 1, most: 31 },
  month: { name: 'month', least: 1, most: 12, words: monthWords },
  dayOfWeek: { name: 'day of week', least: 1, most: 7, words: dayWords },
  year: { name: 'year', least: 1970, most: 2199 },
} as const satisfies Record<string, Field>;

/** Reads what stands between the brackets of `cron(…)`. Throws `ValidationException`. */
export function parseCron(text: string): Cron {
  const parts = text.trim().toUpperCase().split(/\s+/);
  const [minutes = '', hours = '', dayOfMonth = '', month = '', dayOfWeek = '', year = ''] = parts;
  if (parts.length !== 6)
    throw refused(`six fields were expected (minutes, hours, day of month, month, day of week, year), got ${parts.length}`);
  if ((dayOfMonth === '?') === (dayOfWeek === '?')) throw refused('either the day of month or the day of week must be ?, and not both');
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
      if (part === 'L') return (year, month, day) => day === daysOf(year, month);
      if (part === 'LW') return (year, month, day) => day === nearestWeekday(year, month, daysOf(year, month));
      const [, nearest] = /^(\d{1,2})W$/.exec(part) ?? [];
      if (nearest !== undefined) {
        const wanted = numberOf(nearest, fields.dayOfMonth);
        return (year, month, day) => wanted <= daysOf(year, month) && day === nearestWeekday(year, month, wanted);
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
        return (year, month, day) => dayOfWeek(year, month, day) === wanted && day + 7 > daysOf(year, month);
      }
      const days = numbersOf(part === 'L' ? '7' : part, fields.dayOfWeek);
      return (year, month, day) => days.includes(dayOfWeek(year, month, day));
    }),
  );
}

function anyOf(rules: readonly DayRule[]): DayRule {
  return (year, month, day) => rules.some((rule) => rule(year, month, day));
}

/** Of `*`, `5`, `1-5`, `0/15`, `MON-FRI`, and lists of them; rising, each once. A range may go round: `FRI-MON`. */
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
  const last = to !== undefined ? numberOf(to, field) : isAll || step !== undefined ? most : first;
  const every = step === undefined ? 1 : Number(step);
  if (every < 1) throw wrongPart(part, field);
  const count = most - least + 1;
  const span = last >= first ? last - first : field.words === undefined ? -1 : last - first + count;
  if (span < 0) throw wrongPart(part, field);
  return Array.from({ length: Math.floor(span / every) + 1 }, (_, i) => least + ((first - least + i * every) % count));
}

function numberOf(text: string, field: Field): number {
  const word = field.words?.indexOf(text) ?? -1;
  if (word >= 0) return field.least + word;
  const number = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= field.least && number <= field.most)) throw wrongPart(text, field);
  return number;
}

/** 1 is January. */
export function daysOf(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/** 1 is Sunday. */
function dayOfWeek(year: number, month: number, day: number): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1;
}

/** A weekday of the same month. */
function nearestWeekday(year: number, month: number, day: number): number {
  const weekday = dayOfWeek(year, month, day);
  if (weekday === 7) return day === 1 ? 3 : day - 1;
  if (weekday === 1) return day === daysOf(year, month) ? day - 2 : day + 1;
  return day;
}

function wrongPart(part: string, { name, least, most, words }: Field): AwsError {
  const said = words === undefined ? '' : ` or ${words[0]} to ${words.at(-1)}`;
  return refused(
    `the ${name} is not understood: expected ${least} to ${most}${said}, *, lists, ranges or steps, got '${part.slice(0, 40)}'`,
  );
}

function refused(why: string): AwsError {
  return new AwsError('ValidationException', `Schedule cron(...): ${why}. Such as cron(0 8 ? * MON-FRI *).`);
}
