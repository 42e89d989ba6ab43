/** Options of `deploy` from the tables of settings, and the members of a request that they set. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Field, type Fields, optionText, snakeCase } from '../../fields/index.ts';
import { parseDurationMs } from '../../objective.ts';
import { parsedBy, wholeNumber } from '../verb.ts';
import { parsedShare } from './parsed-values.ts';

const placeholders: Partial<Record<Extract<Field['kind'], string>, string>> = {
  number: '<number>',
  duration: '<duration>',
  usd: '<USD>',
  memory: '<MiB>',
  percent: '<share>',
  names: '<names>',
  schedules: '<schedule>',
};

type Parser = (text: string, before: unknown) => unknown;

/** Adds one option for each setting that has one, with help, default and validation of its field. */
export function addFieldOptions(command: Command, fields: Fields): void {
  for (const { field, flag } of optionsOf(fields)) {
    const { kind, help = '', placeholder = typeof kind === 'string' ? placeholders[kind] : undefined } = field;
    const { defaultText = field.default === undefined ? null : optionText(field, field.default) } = field;
    const option = new Option(`${flag} ${placeholder}`, defaultText === null ? help : `${help} (default: ${defaultText})`);
    const parse = parserOf(field);
    command.addOption(
      typeof kind === 'object' ? option.choices([...kind.choices]) : parse === null ? option : option.argParser<unknown>(parse),
    );
  }
}

/** The members of the request that options set. */
export function requestedFields(fields: Fields, options: object): Record<string, unknown> {
  const values = optionsOf(fields).map(({ name, flag }) => [snakeCase(name), valueOf(flag, options)] as const);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

/** The flags that were given. */
export function flagsIn(fields: Fields, options: object): string[] {
  return optionsOf(fields).flatMap(({ flag }) => (valueOf(flag, options) === undefined ? [] : [flag]));
}

/** The options that set the settings of a body, apart from its defaults: `--memory 2048 --keep-alive 9s`. */
export function restoringOptions(fields: Fields, body: object): string {
  const values = body as Readonly<Record<string, Field['default']>>;
  return optionsOf(fields)
    .map(({ name, field, flag }) => ({ field, flag, value: values[snakeCase(name)] ?? null }))
    .filter(({ field, value }) => value !== null && value !== field.default)
    .map(({ field, flag, value }) => `${flag} ${optionText(field, value)}`)
    .join(' ');
}

/** Flags by the members of the request that they set. `prefix` is that of a nested member: `scaling.`. */
export function flagsOf(fields: Fields, prefix = ''): Record<string, string> {
  return Object.fromEntries(optionsOf(fields).map(({ name, flag }) => [`${prefix}${snakeCase(name)}`, flag]));
}

function optionsOf(fields: Fields): { name: string; field: Field; flag: string }[] {
  return Object.entries(fields).flatMap(([name, field]) => (field.flag === undefined ? [] : [{ name, field, flag: field.flag }]));
}

function valueOf(flag: string, options: object): unknown {
  const key = flag.slice(2).replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  return (options as Readonly<Record<string, unknown>>)[key];
}

/** Null: the text itself is the value. */
function parserOf({ kind, least = 0, flagLeast = least, most = Number.MAX_SAFE_INTEGER }: Field): Parser | null {
  switch (kind) {
    case 'number':
      return wholeNumber(flagLeast, most);
    case 'duration':
      return parsedBy(parseDurationMs);
    case 'usd':
      return parseBudget;
    case 'memory':
      return parseMemory;
    case 'percent':
      return (text) => (text === 'none' ? null : parsedShare(text));
    case 'names':
      return (text) =>
        text
          .split(',')
          .map((name) => name.trim())
          .filter((name) => name !== '');
    case 'schedules':
      // `none` also discards earlier schedules.
      return (text, before) => (text === 'none' ? [] : [...((before as readonly string[] | undefined) ?? []), text]);
    default:
      return null;
  }
}

/** Parses a number of MiB, or `auto`. */
export function parseMemory(text: string): number | 'auto' {
  if (text === 'auto') return 'auto';
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a number of MiB, such as 2048, or auto');
}

function parseBudget(text: string): number | null {
  if (text === 'none') return null;
  const usd = Number(text);
  if (text.trim() !== '' && Number.isFinite(usd) && usd > 0) return usd;
  throw new InvalidArgumentError('expected US dollars per hour, such as 0.50, or none');
}
