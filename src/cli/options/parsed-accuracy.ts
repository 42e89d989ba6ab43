import { InvalidArgumentError } from 'commander';

/** Parses an accuracy above 0 and below 1: `>=0.97`, `0.97` or `97%`. */
export function parsedAccuracy(text: string): number {
  const [, digits = '', percent] = /^(?:>=)?\s*(\d+(?:\.\d+)?)\s*(%)?$/.exec(text.trim()) ?? [];
  const value = percent === undefined ? Number(digits) : Number(digits) / 100;
  if (digits !== '' && value > 0 && value < 1) return value;
  throw new InvalidArgumentError(`expected an accuracy above 0 and below 1, such as '>=0.97' or '>=97%', got '${text}'`);
}
