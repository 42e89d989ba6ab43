/** Which plans of a selection a request accepts, as its client says in headers or parameters. Endpoints without a selection ignore it. */
import { PlatformError } from '../../errors.ts';

/** `accuracy`: the most accurate plan, even if it is late. `cost`: the floor plan. Otherwise, plans of at least that accuracy. */
export type PlanPreference = 'accuracy' | 'cost' | { readonly accuracyMin: number };

/** Throws `invalid_request`. `accuracy`: `>=0.99`. */
export function preferenceOf(prefer: unknown, accuracy?: unknown): PlanPreference | undefined {
  if (accuracy !== undefined) return { accuracyMin: accuracyIn(accuracy) };
  if (prefer === undefined || prefer === 'accuracy' || prefer === 'cost') return prefer;
  throw new PlatformError('invalid_request', `invalid preference: expected accuracy or cost, got ${quoted(prefer)}`);
}

/** Parses the headers `x-penstock-prefer` and `x-penstock-accuracy`. */
export function preferenceIn(headers: Readonly<Record<string, unknown>>): PlanPreference | undefined {
  return preferenceOf(headers['x-penstock-prefer'], headers['x-penstock-accuracy']);
}

/** Parses `penstock-prefer=accuracy` or `penstock-accuracy=>=0.99` among the custom attributes of AWS clients; others are ignored. */
export function preferenceInAttributes(attributes: string | undefined): PlanPreference | undefined {
  const [, prefer] = /\bpenstock-prefer=(\w{1,40})/.exec(attributes ?? '') ?? [];
  const [, accuracy] = /\bpenstock-accuracy=([>=.\d]{1,40})/.exec(attributes ?? '') ?? [];
  return preferenceOf(prefer, accuracy);
}

function accuracyIn(text: unknown): number {
  const [, digits = ''] = /^(?:>=)?\s*(\d?(?:\.\d+)?)$/.exec(typeof text === 'string' ? text.slice(0, 40).trim() : '') ?? [];
  if (digits !== '' && Number(digits) > 0 && Number(digits) <= 1) return Number(digits);
  throw new PlatformError('invalid_request', `invalid accuracy: expected above 0 and at most 1, such as >=0.99, got ${quoted(text)}`);
}

function quoted(value: unknown): string {
  return JSON.stringify(value).slice(0, 40);
}
