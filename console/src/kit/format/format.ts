/**
 * Formats numbers and durations for the console. All functions accept null and undefined for an unknown value and return `–`; `0` always
 * means zero.
 */
const unknown = '–';
type Maybe = number | null | undefined;
const isUnknown = (value: Maybe): value is null | undefined => value === null || value === undefined || !Number.isFinite(value);

/** Uses the minus sign U+2212, which is as wide as a plus. */
function signed(text: string): string {
  return text.replace('-', '−');
}

const counts = new Map<number, Intl.NumberFormat>();
/** `1,236`, with the given number of decimals. */
export function fixed(value: Maybe, decimals = 0): string {
  if (isUnknown(value)) return unknown;
  let format = counts.get(decimals);
  if (format === undefined) {
    format = new Intl.NumberFormat('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    counts.set(decimals, format);
  }
  return signed(format.format(value === 0 ? 0 : value));
}

/** Requests: `1,236`, `8.15 M`, `51.3 k` from a hundred thousand on. */
export function count(value: Maybe): string {
  if (isUnknown(value)) return unknown;
  if (value >= 1e9) return `${fixed(value / 1e9, 2)} G`;
  if (value >= 1e6) return `${fixed(value / 1e6, 2)} M`;
  if (value >= 1e5) return `${fixed(value / 1e3, 0)} k`;
  return fixed(value);
}

/** A rate per second, without its unit: `1,236`, `12.4`, `0.52`. */
export function rate(value: Maybe): string {
  if (isUnknown(value)) return unknown;
  if (value === 0) return '0';
  return fixed(value, value < 1 ? 2 : value < 100 ? 1 : 0);
}

/** Milliseconds, without the unit: one decimal below 100. */
export function ms(value: Maybe): string {
  if (isUnknown(value)) return unknown;
  if (value === 0) return '0';
  if (value > 0 && value < 1) return fixed(value, 2);
  return fixed(value, value < 99.95 ? 1 : 0);
}

/** A duration with its unit: `42.6 ms`, `1.3 s`, `12 min`, `3 h`, `2 d`. */
export function duration(valueMs: Maybe): string {
  if (isUnknown(valueMs)) return unknown;
  if (valueMs < 1000) return `${ms(valueMs)} ms`;
  const seconds = valueMs / 1000;
  if (seconds < 60) return `${fixed(seconds, seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${fixed(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${fixed(seconds / 3600, seconds < 36_000 ? 1 : 0)} h`;
  return `${fixed(seconds / 86_400)} d`;
}

/** A share of 0 to 1 in percent, without the sign: `98.9`. Two decimals near 0 % and 100 %. */
export function percent(share: Maybe): string {
  if (isUnknown(share)) return unknown;
  const value = share * 100;
  const isExact = value === 0 || value === 100;
  if (isExact) return fixed(value);
  // Nearly all must not read as all.
  if (value > 99.9 && value < 100) return fixed(Math.min(value, 99.99), 2);
  if (value > 0 && value < 0.1) return fixed(Math.max(value, 0.01), 2);
  return fixed(value, 1);
}

/**
 * An in-time share, rounded down as in the command line: a share just below the objective must not read as if it met it. The small constant
 * absorbs floating-point error of means that equal the objective.
 */
export function percentInTime(share: Maybe): string {
  if (isUnknown(share)) return unknown;
  const parts = share > 0.999 ? 10_000 : 1000;
  return percent(Math.floor(parts * share + 1e-6) / parts);
}

/** US dollars per hour or per million requests: three decimals, two from one dollar on. */
export function usd(value: Maybe): string {
  if (isUnknown(value)) return unknown;
  const sign = value < 0 ? '−' : '';
  const size = Math.abs(value);
  return `${sign}$${fixed(size, size >= 1 ? 2 : 3)}`;
}

/** US dollars of a few requests, with two significant digits: `$0.000 000 070`. */
export function usdSmall(value: Maybe): string {
  if (isUnknown(value)) return unknown;
  if (value === 0) return '$0';
  if (Math.abs(value) >= 0.01) return usd(value);
  const decimals = Math.min(15, 1 - Math.floor(Math.log10(Math.abs(value))));
  const [whole = '0', rest = ''] = value.toFixed(decimals).split('.');
  return `$${whole}.${rest.replace(/(\d{3})(?=\d)/g, '$1 ')}`;
}

/** A difference: `+1.4`, `−0.2`, `0`. */
export function difference(value: Maybe, decimals = 1): string {
  if (isUnknown(value)) return unknown;
  const text = fixed(value, decimals);
  return value > 0 && Number(value.toFixed(decimals)) > 0 ? `+${text}` : text.replace(/^−(0(?:\.0+)?)$/, '$1');
}

/** `512 B`, `67 KB`, `2.2 MB`. */
export function bytes(value: Maybe): string {
  if (isUnknown(value)) return unknown;
  if (value < 1024) return `${fixed(value)} B`;
  const units = ['KB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length, Math.floor(Math.log2(value) / 10));
  const size = value / 2 ** (10 * power);
  return `${fixed(size, size < 10 ? 1 : 0)} ${units[power - 1] ?? ''}`;
}

/** `1,769 MB` of memory. */
export function mib(value: Maybe): string {
  return isUnknown(value) ? unknown : `${fixed(value)} MB`;
}

/** Formats the API's `p95<=50ms` as `p95 ≤ 50 ms`. */
export function objective(text: string | null): string {
  if (text === null) return 'no objective';
  return text
    .replace(/\s*<?=\s*/, ' ≤ ')
    .replace(/(\d)\s*(us|ms|s)$/, (_, digit: string, unit: string) => `${digit} ${unit === 'us' ? 'µs' : unit}`);
}

export interface ParsedObjective {
  readonly percentile: number;
  readonly latencyMs: number;
}

/** Parses `p95<=50ms`; null if there is no objective or it is malformed. */
export function parseObjectiveText(text: string | null): ParsedObjective | null {
  const [, percentile, value, unit] = /^p(\d+(?:\.\d+)?)\s*<?=\s*(\d+(?:\.\d+)?)\s*(us|ms|s|m)$/.exec(text ?? '') ?? [];
  if (percentile === undefined || value === undefined) return null;
  const factor = { us: 0.001, ms: 1, s: 1000, m: 60_000 }[unit as 'us' | 'ms' | 's' | 'm'];
  return { percentile: Number(percentile), latencyMs: Number(value) * factor };
}

/** `1 request`, `3 requests`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A tensor's type and shape: `f32[N,64]`. */
export function shape({ datatype, shape: dimensions }: { readonly datatype: string; readonly shape: readonly number[] }): string {
  const names: Readonly<Record<string, string>> = { FP16: 'f16', FP32: 'f32', FP64: 'f64', BOOL: 'bool', BYTES: 'text' };
  const type = names[datatype] ?? datatype.toLowerCase().replace('uint', 'u').replace('int', 'i');
  return `${type}[${dimensions.map((size, index) => (size < 0 ? (index === 0 ? 'N' : '?') : size)).join(',')}]`;
}

/** Adds a capital, unless the text starts with a name such as `digits/2`, and a full stop. */
export function sentence(text: string): string {
  const begun = /^[a-z]+(?=[\s,;:]|$)/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?:]$/.test(begun) ? begun : `${begun}.`;
}
