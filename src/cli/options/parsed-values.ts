/** Parsers of numeric options. */
import { InvalidArgumentError } from 'commander';
import { parseDurationMs } from '../../objective.ts';

const numberMax = 1e9;

/** Throws commander's error, which names the option. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= numberMax) return value;
  throw new InvalidArgumentError(`expected a number above 0 and at most ${numberMax}, got '${text}'`);
}

/** Throws commander's error, which names the option. */
export function positiveInteger(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`expected a whole number above 0, got '${text}'`);
}

/** Collects a repeatable option of addresses. `none` also discards earlier ones. */
export function addressList(text: string, before: readonly string[] = []): readonly string[] {
  return text === 'none' ? [] : [...before, text];
}

/** Parses an accuracy above 0 and below 1: `>=0.97`, `0.97` or `97%`. */
export function parsedAccuracy(text: string): number {
  const [, digits = '', percent] = /^(?:>=)?\s*(\d+(?:\.\d+)?)\s*(%)?$/.exec(text.trim()) ?? [];
  const value = percent === undefined ? Number(digits) : Number(digits) / 100;
  if (digits !== '' && value > 0 && value < 1) return value;
  throw new InvalidArgumentError(`expected an accuracy above 0 and below 1, such as '>=0.97' or '>=97%', got '${text}'`);
}

/** Parses `10%` or `10` as a percentage from 0 to 100. */
export function parsedShare(text: string): number {
  const percent = Number(/^(\d+(?:\.\d+)?)\s*%?$/.exec(text)?.[1] ?? Number.NaN);
  if (percent >= 0 && percent <= 100) return percent;
  throw new InvalidArgumentError(`expected a share such as 10%, got '${text}'`);
}

/** Parses how far back a verb looks, such as `90m`, `24h` or `7d`. In milliseconds. */
export function parsedSince(text: string): number {
  try {
    return parseDurationMs(text);
  } catch {
    throw new InvalidArgumentError(`expected how far back, such as 90m, 24h or 7d, got '${text.slice(0, 40)}'`);
  }
}
