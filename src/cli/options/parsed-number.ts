/** Parsers of numeric options. */
import { InvalidArgumentError } from 'commander';

const numberMax = 1e9;

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0 && value <= numberMax) return value;
  throw new InvalidArgumentError(`expected a number above 0 and at most ${numberMax}, got '${text}'`);
}

export function positiveInteger(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError(`expected a whole number above 0, got '${text}'`);
}
