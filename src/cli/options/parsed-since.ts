import { InvalidArgumentError } from 'commander';
import { parseDurationMs } from '../../objective.ts';

/** Parses how far back a verb looks, such as `90m`, `24h` or `7d`. In milliseconds. */
export function parsedSince(text: string): number {
  try {
    return parseDurationMs(text);
  } catch {
    throw new InvalidArgumentError(`expected how far back, such as 90m, 24h or 7d, got '${text.slice(0, 40)}'`);
  }
}
