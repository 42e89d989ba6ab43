/**
 * A setting, described once. Types, validation, API bodies, PATCH, options of `penstock deploy` and texts of changes all follow from
 * its row in a table. Pure, without dependencies of its size: the command line and the console load it, too.
 */
import { PlatformError } from '../errors.ts';
import { formatMs } from '../objective.ts';

interface ValueOfKind {
  readonly text: string;
  readonly number: number;
  /** Milliseconds. */
  readonly duration: number;
  /** Null: no limit. */
  readonly usd: number | null;
  readonly memory: number | 'auto';
  readonly boolean: boolean;
  /** 0 to 100. */
  readonly percent: number;
  readonly names: readonly string[];
  /** Scheduled floors as text. */
  readonly schedules: readonly string[];
}

type FieldValue = string | number | boolean | null | readonly string[];

/** One row of a table of settings. */
export interface Field {
  readonly kind: keyof ValueOfKind | { readonly choices: readonly string[] };
  /** For the API's documents. */
  readonly about?: string;
  /** The value of a new variant or endpoint. For an optional field, the value that is in force while it is not set. */
  readonly default?: FieldValue;
  /** It can be left unset, and null removes it. */
  readonly isOptional?: true;
  /** Inclusive bounds. */
  readonly least?: number;
  readonly most?: number;
  readonly isWhole?: true;
  /** Begins the error for an invalid value. Default: the name in a body. */
  readonly noun?: string;
  /** The error for an invalid value, if it does not follow from the bounds. */
  readonly expected?: string;
  /** The option of `penstock deploy`, and its help. */
  readonly flag?: `--${string}`;
  readonly help?: string;
  /** In the help, if it is not that of the kind. */
  readonly placeholder?: `<${string}>`;
  /** The default in the help, if it is not the field's; null: none. */
  readonly defaultText?: string | null;
  /** The least value that the option accepts, if it is not the field's. */
  readonly flagLeast?: number;
}

/** The bounds of a field that counts. */
export const whole = (least: number, most: number) => ({ kind: 'number', isWhole: true, least, most }) as const;

/** The bounds of a field of whole milliseconds. */
export const wholeMs = (least: number, most: number) => ({ kind: 'duration', isWhole: true, least, most }) as const;

/** A table of settings. Keys are the names in config objects; APIs use them in snake case. */
export type Fields = Readonly<Record<string, Field>>;

type ValueOf<F extends Field> = F['kind'] extends { readonly choices: readonly (infer Choice)[] }
  ? Choice
  : F['kind'] extends keyof ValueOfKind
    ? ValueOfKind[F['kind']]
    : never;

type OptionalKey<F extends Fields> = { [Key in keyof F]: F[Key] extends { readonly isOptional: true } ? Key : never }[keyof F];

/** The settings that a table describes. An optional one that is not set is absent, because configs are compared member by member. */
export type FieldValues<F extends Fields> = { readonly [Key in Exclude<keyof F, OptionalKey<F>>]: ValueOf<F[Key]> } & {
  readonly [Key in OptionalKey<F>]?: ValueOf<F[Key]>;
};

/** A change of some settings: an absent one stays, null removes an optional one. */
export type FieldChanges<F extends Fields> = {
  readonly [Key in keyof F]?: ValueOf<F[Key]> | (Key extends OptionalKey<F> ? null : never) | undefined;
};

/** `keepAliveMs` as `keep_alive_ms`, `memoryMiB` as `memory_mib`. */
export type SnakeCase<Name extends string> = Name extends `${infer Head}MiB`
  ? `${SnakeCase<Head>}_mib`
  : Name extends `${infer First}${infer Rest}`
    ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeCase<Rest>}`
    : '';

/** Settings as members of a body of the API. `Unset` is the value of an optional one that is not set. */
export type FieldBody<F extends Fields, Unset = undefined> = {
  readonly [Key in Exclude<keyof F, OptionalKey<F>> & string as SnakeCase<Key>]: ValueOf<F[Key]>;
} & { readonly [Key in OptionalKey<F> & string as SnakeCase<Key>]: ValueOf<F[Key]> | Unset };

/** A body that changes some settings. */
export type FieldInput<F extends Fields> = {
  readonly [Key in keyof F & string as SnakeCase<Key>]?: FieldChanges<F>[Key];
};

type OptionKey<Flag extends string> = Flag extends `${infer Head}-${infer Rest}` ? `${Head}${Capitalize<OptionKey<Rest>>}` : Flag;

/** The values of the options of a table, as the command line parses them: `--keep-alive` is `keepAlive`. */
export type OptionValues<F extends Fields> = {
  readonly [Key in keyof F as F[Key] extends { readonly flag: `--${infer Flag}` } ? OptionKey<Flag> : never]?: ValueOf<F[Key]>;
};

/** `usdPerHourMax` as `usd_per_hour_max`. */
export function snakeCase<Name extends string>(name: Name): SnakeCase<Name> {
  return name.replace('MiB', 'Mib').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as SnakeCase<Name>;
}

/** The members of a body that are fields of the table; the others are ignored. */
export function changesOf<F extends Fields>(fields: F, body: FieldInput<F>): FieldChanges<F> {
  const values = body as Readonly<Record<string, unknown>>;
  const provided = Object.keys(fields).filter((name) => values[snakeCase(name)] !== undefined);
  return Object.fromEntries(provided.map((name) => [name, values[snakeCase(name)]])) as FieldChanges<F>;
}

/** The settings as members of a body; those that are not set are `unset`, and absent if that is undefined. */
export function bodyOfFields<F extends Fields, Unset extends null | undefined = undefined>(
  fields: F,
  values: FieldValues<F>,
  unset?: Unset,
): FieldBody<F, Unset> {
  const members = Object.keys(fields).map((name) => {
    const value = (values as Readonly<Record<string, unknown>>)[name];
    return [snakeCase(name), value === undefined ? unset : value] as const;
  });
  return Object.fromEntries(members.filter(([, value]) => value !== undefined)) as FieldBody<F, Unset>;
}

/** `before`, or the defaults, with the change applied to the fields of the table. */
export function merged<F extends Fields, T extends FieldValues<F> = FieldValues<F>>(
  fields: F,
  before: T | undefined,
  change: FieldChanges<F>,
): T {
  const values: Record<string, unknown> = { ...before };
  for (const [name, { isOptional, default: initial }] of Object.entries(fields)) {
    const next = (change as Readonly<Record<string, unknown>>)[name];
    if (next === null && isOptional) delete values[name];
    else if (next !== undefined) values[name] = next;
    else if (before === undefined && !isOptional && initial !== undefined) values[name] = initial;
  }
  return values as T;
}

/** The defaults of all settings that are always set. */
export function defaultsOf<F extends Fields>(fields: F): FieldValues<F> {
  return merged(fields, undefined, {});
}

/** Throws `invalid_request` for a value outside of its field's bounds; `where` begins the message, such as `variant main: `. */
export function checkFields(where: string, fields: Fields, values: object): void {
  for (const [name, field] of Object.entries(fields)) {
    const value = (values as Record<string, unknown>)[name];
    if (value === undefined || isValid(field, value)) continue;
    throw new PlatformError('invalid_request', `${where}${expectedText(name, field)}, got ${valueText(field, value)}`);
  }
}

function isValid({ kind, least = -Infinity, most = Infinity, isWhole }: Field, value: unknown): boolean {
  if (typeof kind === 'object') return kind.choices.includes(value as string);
  if (kind === 'usd') return value === null || (typeof value === 'number' && value > 0 && Number.isFinite(value));
  if (kind !== 'number' && kind !== 'duration' && kind !== 'percent') return true;
  return Number.isFinite(value) && (!isWhole || Number.isInteger(value)) && (value as number) >= least && (value as number) <= most;
}

function expectedText(name: string, { kind, noun = snakeCase(name), isWhole, least, most, expected }: Field): string {
  if (expected !== undefined) return expected;
  if (typeof kind === 'object') return `${noun}: expected one of ${kind.choices.join(', ')}`;
  if (kind === 'usd') return `${noun}: expected US dollars per hour above 0, or none`;
  if (kind === 'duration') return `${noun}: expected ${least} to ${most}${isWhole ? ' whole' : ''} milliseconds`;
  return `${noun}: expected a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}`;
}

function valueText({ kind, isWhole }: Field, value: unknown): string {
  if (typeof kind === 'object') return `'${String(value)}'`;
  return kind === 'duration' && !isWhole && Number.isFinite(value) ? formatMs(value as number) : String(value);
}

/** A value as its option takes it: `60s`, `none`. */
export function optionText({ kind }: Field, value: FieldValue): string {
  if (kind === 'duration') return formatMs(value as number);
  return value === null ? 'none' : String(value);
}
