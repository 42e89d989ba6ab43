/** The options of `deploy` that let the number of instances follow the load, and what they ask of the server. */
import { type Command, InvalidArgumentError } from 'commander';
import type { VariantBody } from '../api/index.ts';
import { Failure } from './failure.ts';
import { wholeNumber } from './verb.ts';

export interface ScalingOptions {
  /** A policy, or `none`. */
  readonly scaling?: string;
  readonly minInstances?: number;
  readonly maxInstances?: number;
  /** US dollars per hour; null for no limit. */
  readonly scalingBudget?: number | null;
  /** As they are shown; none of them for `none`. */
  readonly floor?: readonly string[];
  readonly serverless?: boolean;
  /** A fixed number. */
  readonly instances?: number;
}

export function addScalingOptions(command: Command): void {
  command
    .option(
      '--scaling <policy>',
      'let the number of instances follow the load: economic, backlog (asynchronous requests), hpa:70 and others, or none (default: none)',
    )
    .option('--min-instances <number>', 'how many at least, with --scaling (default: 1, and 0 with overflow)', wholeNumber(0, 64))
    .option('--max-instances <number>', 'how many at most, with --scaling (default: 4)', wholeNumber(1, 64))
    .option('--scaling-budget <USD>', 'what all may cost per hour, or none, with --scaling (default: none)', budget)
    .option(
      '--floor <schedule>',
      "at least so many at times of the day (UTC), such as 'mon-fri 08:00-18:00 3', or none, with --scaling; may be repeated (default: none)",
      floors,
    );
}

/** Throws `Failure` for limits of a scaling that would not be there, before anything is done. */
export function checkScalingOptions(options: ScalingOptions, before: VariantBody | undefined): void {
  const { scaling, minInstances, maxInstances, scalingBudget, floor } = options;
  const limits = { '--min-instances': minInstances, '--max-instances': maxInstances, '--scaling-budget': scalingBudget };
  const flags = { ...limits, '--floor': floor };
  const [stray] = Object.entries(flags).find(([, value]) => value !== undefined) ?? [];
  if (options.instances !== undefined && scaling !== 'none' && options.serverless !== true && (before?.scaling ?? null) !== null) {
    const cure = `say --min-instances ${options.instances} for so many at least, or fix the number with --scaling none`;
    throw new Failure(`--instances is for a fixed number of instances, and here it follows the load: ${cure}`, 2);
  }
  if (options.serverless === true && scaling !== undefined && scaling !== 'none') {
    const cure = 'leave out --scaling, or have functions beside instances with --overflow functions in place of --serverless';
    throw new Failure(`a serverless endpoint has no instances whose number could follow the load: ${cure}`, 2);
  }
  const isThere = scaling === undefined ? (before?.scaling ?? null) !== null && options.serverless !== true : scaling !== 'none';
  if (stray !== undefined && !isThere) {
    throw new Failure(`${stray} is for a number of instances that follows the load: add --scaling economic, or leave out ${stray}`, 2);
  }
}

/** What is asked of a variant, beside what it was before; nothing where its number of instances is fixed. */
export function scalingOf(options: ScalingOptions, before: VariantBody | undefined): Record<string, unknown> {
  const { scaling, minInstances, maxInstances, scalingBudget, floor, serverless = false } = options;
  const kept = serverless ? null : (before?.scaling ?? null);
  if (scaling === 'none' || (scaling === undefined && kept === null)) return {};
  const asked = {
    policy: scaling,
    instances_min: minInstances,
    instances_max: maxInstances,
    usd_per_hour_max: scalingBudget,
    floors: floor,
  };
  return { scaling: { ...kept, ...Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined)) } };
}

/** `none` drops those before it, too. */
function floors(text: string, before: readonly string[] = []): readonly string[] {
  return text === 'none' ? [] : [...before, text];
}

function budget(text: string): number | null {
  if (text === 'none') return null;
  const usd = Number(text);
  if (text.trim() !== '' && Number.isFinite(usd) && usd > 0) return usd;
  throw new InvalidArgumentError('expected US dollars per hour, such as 0.50, or none');
}
