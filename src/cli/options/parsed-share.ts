import { InvalidArgumentError } from 'commander';

/** Parses `10%` or `10` as a percentage from 0 to 100. */
export function parsedShare(text: string): number {
  const percent = Number(/^(\d+(?:\.\d+)?)\s*%?$/.exec(text)?.[1] ?? Number.NaN);
  if (percent >= 0 && percent <= 100) return percent;
  throw new InvalidArgumentError(`expected a share such as 10%, got '${text}'`);
}
