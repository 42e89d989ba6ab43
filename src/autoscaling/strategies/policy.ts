/**
 * Scaling policies as text: `name[:number][,key=value]...[+overflow]`. Policies are separated by `;`, or by a comma if no
 * `key=value` follows it: `hpa:70,window=300,economic` is two policies. Policies joined by `|` form one policy, which uses the
 * highest number of all.
 */
import { PlatformError } from '../../errors.ts';
import { type ForecasterName, forecasterNames } from '../../forecasting/index.ts';
import { parseDurationMs } from '../../objective.ts';

interface Written {
  /** The text as configured. */
  readonly text: string;
  /** True if requests that instances cannot finish in time can go to functions. */
  readonly overflow: boolean;
}

interface Forecasting {
  readonly forecaster: ForecasterName;
}

/** A policy: a strategy with its settings or their defaults. */
export type Policy = SinglePolicy | (Written & { readonly kind: 'largest'; readonly policies: readonly SinglePolicy[] });

/** One parsed policy. Members have units; defaults are filled in. */
export type SinglePolicy =
  | (Written & { readonly kind: 'static' /** null: enough for the busiest minute. */; readonly instances: number | null })
  | (Written & {
      readonly kind: 'target-tracking';
      readonly targetPercent: number /** Price of instances relative to the list price. */;
      readonly price: number;
    })
  | (Written & { readonly kind: 'hpa'; readonly targetPercent: number; readonly windowMs: number })
  | (Written & {
      readonly kind: 'kpa' /** Target of concurrent requests per instance; null: twice its batch size. */;
      readonly concurrency: number | null;
    })
  | (Written & {
      readonly kind: 'track';
      /** Target per instance: invocations per minute, or concurrent requests. */
      readonly target: number;
      readonly metric: 'invocations' | 'concurrency';
      /** Cooldowns after scaling out and in, before any removal; null: never remove instances. */
      readonly outMs: number;
      readonly inMs: number | null;
    })
  | (Written & { readonly kind: 'hold' })
  /** As many as the backlog of asynchronous requests needs. */
  | (Written & { readonly kind: 'backlog' })
  | (Written & { readonly kind: 'ray' })
  | (Written & { readonly kind: 'batch' })
  | (Written & Forecasting & { readonly kind: 'instances-only'; readonly percentile: number })
  | (Written & { readonly kind: 'running-max'; readonly factor: number })
  | (Written & Forecasting & { readonly kind: 'hybrid'; readonly percentile: number })
  | (Written & Forecasting & { readonly kind: 'mark-greedy'; readonly safety: number })
  | (Written &
      Forecasting & {
        readonly kind: 'economic';
        /** Planned utilisation; null: 1 with overflow, 0.85 without. */
        readonly rho: number | null;
        /** Number of slots for which an instance is kept after it last paid off; null: 2 with overflow, 5 without. */
        readonly hold: number | null;
        /** Whether instances are added between plans if the rate exceeds the capacity. `auto`: if that pays off. */
        readonly fast: 'auto' | 'on' | 'off';
      })
  | (Written & { readonly kind: 'oracle' });

/** Names of all policies, the product's and those to compare with. */
export type PolicyKind = SinglePolicy['kind'];

/** Range of a number, also used in error messages. */
interface Bounds {
  readonly above: number;
  readonly most: number;
  readonly isWhole?: boolean;
}

interface Grammar {
  /** Allowed range of the number after the colon; null if no number is allowed. */
  readonly number: Bounds | null;
  readonly options: readonly string[];
  /**
   * `always`: overflow with or without the suffix. `never`: `+overflow` is rejected. `on request`: overflow only with the suffix.
   */
  readonly overflow: 'always' | 'never' | 'on request';
}

const percent: Bounds = { above: 0, most: 1000 };
const percentile: Bounds = { above: 0, most: 99.999 };
const factor: Bounds = { above: 0, most: 100 };
const target: Bounds = { above: 0, most: 1e9 };
const policiesMax = 10;
const count: Bounds = { above: -1, most: 1000, isWhole: true };

const grammars: Readonly<Record<PolicyKind, Grammar>> = {
  static: { number: count, options: [], overflow: 'on request' },
  'target-tracking': { number: percent, options: ['price'], overflow: 'on request' },
  hpa: { number: percent, options: ['window'], overflow: 'on request' },
  track: { number: target, options: ['metric', 'out', 'in'], overflow: 'on request' },
  hold: { number: null, options: [], overflow: 'on request' },
  backlog: { number: null, options: [], overflow: 'on request' },
  kpa: { number: null, options: ['concurrency'], overflow: 'on request' },
  ray: { number: null, options: [], overflow: 'on request' },
  batch: { number: null, options: [], overflow: 'always' },
  'instances-only': { number: percentile, options: ['forecaster'], overflow: 'never' },
  'running-max': { number: factor, options: [], overflow: 'always' },
  hybrid: { number: percentile, options: ['forecaster'], overflow: 'always' },
  'mark-greedy': { number: factor, options: ['forecaster'], overflow: 'always' },
  economic: { number: null, options: ['rho', 'hold', 'forecaster', 'fast'], overflow: 'always' },
  oracle: { number: null, options: [], overflow: 'on request' },
};

/** Parses every policy in the texts, in order. Throws `invalid_request`; the message says what was expected. */
export function parsePolicies(provided: string | readonly string[]): Policy[] {
  const texts = (typeof provided === 'string' ? [provided] : provided).flatMap(separate);
  if (texts.length === 0) throw wrong(`no policy: expected ${kindsInWords()}`);
  for (const text of texts) checkSeparated(text, texts.length);
  return texts.map(parsePolicy);
}

/** Throws an error that explains the separators if an option seems to be mistaken for a policy. */
function checkSeparated(text: string, of: number): void {
  const [name = ''] = text.split(/[:+,|]/, 1);
  if (of === 1 || isKind(name.trim())) return;
  throw wrong(
    `'${shorten(text.trim())}' is not a policy: expected ${kindsInWords()}; policies are separated by ; or by a comma, and an option of one has a =, as in economic,rho=0.9;hpa:70`,
  );
}

/** Parses one policy. Throws `invalid_request`; the message says what was expected. */
export function parsePolicy(text: string): Policy {
  const written = text.trim();
  const parts = written.split('|');
  if (parts.length === 1) return parseSingle(written);
  if (parts.length > policiesMax) throw wrong(`policy '${shorten(written)}': at most ${policiesMax} can be combined, got ${parts.length}`);
  const policies = parts.map((part) => parseSingle(part.trim()));
  return { kind: 'largest', text: written, overflow: policies.some(({ overflow }) => overflow), policies };
}

function parseSingle(written: string): SinglePolicy {
  const [, head = '', plus] = /^([^+]*)(?:\+(.*))?$/s.exec(written) ?? [];
  const [subject = '', ...assignments] = head.split(',').map((part) => part.trim());
  const [name, number] = splitOnce(subject, ':');
  if (!isKind(name)) throw wrong(`unknown policy '${shorten(name)}': expected ${kindsInWords()}`);
  const grammar = grammars[name];
  if (plus !== undefined && plus.trim() !== 'overflow')
    throw wrong(`policy '${shorten(written)}': expected +overflow at the end, got +${plus}`);
  if (plus !== undefined && grammar.overflow === 'never') throw wrong(`policy '${shorten(written)}': ${name} has no overflow. Use hybrid`);
  if (number !== undefined && grammar.number === null)
    throw wrong(`policy '${shorten(written)}': ${name} takes no number. Leave out ':${number}'`);
  const options = new Options(written, name, grammar.options, assignments);
  const value =
    number === undefined || grammar.number === null
      ? null
      : numberIn(`policy '${shorten(written)}': after the colon`, number, grammar.number);
  const overflow = grammar.overflow === 'always' || plus !== undefined;
  return policyOf({ text: written, overflow }, name, value, options);
}

/** The policy's text as configured. */
export function formatPolicy(policy: Policy): string {
  return policy.text;
}

function policyOf(written: Written, kind: PolicyKind, value: number | null, options: Options): SinglePolicy {
  switch (kind) {
    case 'static':
      return { kind, ...written, instances: value };
    case 'target-tracking':
      return { kind, ...written, targetPercent: value ?? 70, price: options.number('price', factor) ?? 1.2 };
    case 'hpa':
      return { kind, ...written, targetPercent: value ?? 70, windowMs: options.durationMs('window') ?? 300_000 };
    case 'kpa':
      return { kind, ...written, concurrency: options.number('concurrency', { above: 0, most: 100_000 }) };
    case 'track': {
      if (value === null) throw wrong(`policy '${shorten(written.text)}': expected a target after the colon, such as track:700`);
      const metric = options.oneOf('metric', ['invocations', 'concurrency']) ?? 'invocations';
      return { kind, ...written, target: value, metric, outMs: options.cooldownMs('out') ?? 300_000, inMs: options.cooldownMs('in') };
    }
    case 'hold':
    case 'backlog':
    case 'ray':
    case 'batch':
    case 'oracle':
      return { kind, ...written };
    case 'running-max':
      return { kind, ...written, factor: value ?? 1.44 };
    case 'instances-only':
      return { kind, ...written, percentile: value ?? 99, forecaster: options.forecaster() };
    case 'hybrid':
      return { kind, ...written, percentile: value ?? 90, forecaster: options.forecaster() };
    case 'mark-greedy':
      return { kind, ...written, safety: value ?? 1, forecaster: options.forecaster() };
    case 'economic': {
      const rho = options.number('rho', { above: 0, most: 1.5 });
      const hold = options.number('hold', { above: 0, most: 100, isWhole: true });
      return {
        kind,
        ...written,
        rho,
        hold,
        forecaster: options.forecaster('rls-windows'),
        fast: options.oneOf('fast', ['auto', 'on', 'off']) ?? 'auto',
      };
    }
  }
}

class Options {
  readonly #where: string;
  readonly #values = new Map<string, string>();

  constructor(written: string, kind: PolicyKind, known: readonly string[], assignments: readonly string[]) {
    this.#where = `policy '${shorten(written)}'`;
    const expected = known.length === 0 ? `${kind} takes no options` : `expected ${list(known.map((key) => `${key}=...`))}`;
    for (const assignment of assignments) {
      const [key, value] = splitOnce(assignment, '=');
      if (value === undefined || !known.includes(key)) throw wrong(`${this.#where}: ${expected}, got '${shorten(assignment)}'`);
      if (this.#values.has(key)) throw wrong(`${this.#where}: ${key} is set twice`);
      this.#values.set(key, value.trim());
    }
  }

  number(key: string, bounds: Bounds): number | null {
    const value = this.#values.get(key);
    return value === undefined ? null : numberIn(`${this.#where}: ${key}`, value, bounds);
  }

  durationMs(key: string): number | null {
    const value = this.#values.get(key);
    if (value === undefined) return null;
    const ms = parseDurationMs(value);
    if (!(ms > 0 && ms <= 86_400_000)) throw wrong(`${this.#where}: ${key}: expected a duration above 0 and at most a day, got ${value}`);
    return ms;
  }

  /** A cooldown in milliseconds; default 300 s, null for `never`. */
  cooldownMs(key: string): number | null {
    const value = this.#values.get(key);
    if (value === 'never') return null;
    if (value === '0' || value === '0s') return 0;
    return this.durationMs(key) ?? 300_000;
  }

  oneOf<Word extends string>(key: string, words: readonly Word[]): Word | null {
    const value = this.#values.get(key);
    if (value === undefined) return null;
    const word = words.find((known) => known === value);
    if (word === undefined) throw wrong(`${this.#where}: ${key}: expected ${list(words)}, got '${shorten(value)}'`);
    return word;
  }

  forecaster(byDefault: ForecasterName = 'rls-ar'): ForecasterName {
    return this.oneOf('forecaster', forecasterNames) ?? byDefault;
  }
}

/** Splits a text into policies. A comma separates policies unless a `key=value` follows it. */
function separate(text: string): string[] {
  return text.split(';').flatMap((piece) => {
    if (piece.trim() === '') return [];
    const policies: string[] = [];
    for (const part of piece.split(',')) {
      if (policies.length > 0 && part.includes('=')) policies.push(`${policies.pop()},${part}`);
      else policies.push(part);
    }
    return policies;
  });
}

function numberIn(where: string, text: string, { above, most, isWhole = false }: Bounds): number {
  const value = /^\s*-?(?:\d+(?:\.\d+)?|\.\d+)\s*$/.test(text) ? Number(text) : Number.NaN;
  if (value > above && value <= most && (!isWhole || Number.isInteger(value))) return value;
  const range = isWhole ? `a whole number from ${above + 1} to ${most}` : `a number above ${above} and at most ${most}`;
  throw wrong(`${where}: expected ${range}, got '${shorten(text)}'`);
}

function splitOnce(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text.trim(), undefined] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

function isKind(name: string): name is PolicyKind {
  return Object.hasOwn(grammars, name);
}

function kindsInWords(): string {
  return `one of ${list(Object.keys(grammars))}, such as economic or hpa:70,window=300+overflow`;
}

function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function wrong(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
