/** `--range`: `lr=0.001..1`, `lr=0.001..1:log`, `depth=2..10`, `optimizer=adam,sgd`. */
import { InvalidArgumentError } from 'commander';
import type { TuningJobBody } from '../../api/index.ts';

type Range = TuningJobBody['ranges'][number];

const scalings = {
  auto: 'Auto',
  linear: 'Linear',
  log: 'Logarithmic',
  'reverse-log': 'ReverseLogarithmic',
} as const;

/** Two whole numbers make an integer range: write 1.0..10 for a continuous one. Throws `InvalidArgumentError`. */
export function parseRange(text: string): Range {
  const [, name, rest] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (name === undefined || rest === undefined) throw wrong(text);
  const [, low, high, scaling = 'auto'] = /^([^,]+?)\.\.([^,:]+)(?::([a-z-]+))?$/.exec(rest) ?? [];
  if (low === undefined || high === undefined) return { name, type: 'categorical', values: rest.split(',') };
  const [min, max] = [Number(low), Number(high)];
  if (!Number.isFinite(min) || !Number.isFinite(max) || !Object.hasOwn(scalings, scaling)) throw wrong(text);
  const isWhole = [low, high].every((bound) => /^-?\d+$/.test(bound.trim()));
  return { name, type: isWhole ? 'integer' : 'continuous', min, max, scaling: scalings[scaling as keyof typeof scalings] };
}

/** For options that may be repeated. */
export function addedRange(text: string, ranges: readonly Range[] | undefined): Range[] {
  return [...(ranges ?? []), parseRange(text)];
}

function wrong(text: string): InvalidArgumentError {
  const examples = 'lr=0.001..1, lr=0.001..1:log (also :linear, :reverse-log), depth=2..10, optimizer=adam,sgd';
  return new InvalidArgumentError(`'${text.slice(0, 100)}' is not a range: expected, for example, ${examples}`);
}
