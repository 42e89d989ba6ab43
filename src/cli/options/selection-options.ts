/** Options of a selection: what it must keep, and by which evaluation it is proven. Shared by `select` and `deploy`. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { parsedBy } from '../verb.ts';
import { parsedAccuracy, positiveNumber } from './parsed-values.ts';

export interface SelectionOptions {
  readonly select?: readonly string[];
  readonly evaluation?: string;
  readonly accuracy?: number;
  readonly minimize?: 'cost';
  readonly maximize?: 'accuracy';
  readonly budget?: number;
  readonly confidence?: number | null;
  readonly degradeTo?: number;
  readonly rate?: number;
  readonly shadow?: number;
  readonly reference?: string;
  readonly force?: boolean;
}

export function addServedSelectionOptions(command: Command): void {
  command
    .option(
      '--select <models>',
      'serve plans of these groups or versions, chosen by an evaluation; comma-separated, or one group for its newest 6 approved versions',
      parsedBy(parseModels),
    )
    .option('--evaluation <set>', 'the evaluation set that proves them (see `penstock evaluate`)')
    .option('--accuracy <floor>', "the accuracy to keep, such as '>=0.97' or '>=97%': the cheapest plan", parsedAccuracy)
    .addOption(new Option('--minimize <what>', 'the cheapest plan that keeps --accuracy (default)').choices(['cost']))
    .addOption(new Option('--maximize <what>', 'the most accurate plan within --budget').choices(['accuracy']))
    .option('--budget <cost>', "cost limit, such as '$0.20/h'", parsedBy(parseBudget))
    .option('--confidence <percent>', 'how sure no certified plan is below the floor, or none (default: 95)', parsedBy(parseConfidence))
    .option('--degrade-to <accuracy>', "in bursts, serve plans down to this accuracy from credit, such as '>=0.94'", parsedAccuracy)
    .option('--rate <rows>', 'expected rows per second, for the price of plans (default: 100)', positiveNumber)
    .option(
      '--shadow <percent>',
      'share of the requests compared with another plan in idle time, 0 to 20 (default: 1)',
      parsedBy(parseShadow),
    )
    .option('--reference <model>', 'the candidate whose inputs and outputs clients see (default: the first)')
    .option('--force', 'serve the most accurate model alone if no plan is proven', false);
}

/** Options that make sense only with `--select`. */
const dependent = [
  'evaluation',
  'accuracy',
  'minimize',
  'maximize',
  'budget',
  'confidence',
  'degradeTo',
  'rate',
  'shadow',
  'reference',
] as const;

/** The `selection` of a request; undefined without `--select`. Throws a `CliError` for what is missing. */
export function selectionBodyFrom(options: SelectionOptions): Record<string, unknown> | undefined {
  const { select, evaluation, accuracy, maximize, degradeTo, rate, reference } = options;
  if (select === undefined) {
    const [stray] = dependent.filter((name) => options[name] !== undefined);
    if (stray !== undefined) throw new CliError(`--${stray.replace('To', '-to')} needs --select`, 2);
    return undefined;
  }
  if (evaluation === undefined || (accuracy === undefined && maximize === undefined)) {
    throw new CliError("--select needs --evaluation SET, and --accuracy '>=0.97' or --maximize accuracy --budget '$0.20/h'", 2);
  }
  return {
    candidates: select,
    evaluation,
    floor: accuracy ?? null,
    minimize: options.minimize ?? null,
    maximize: maximize ?? null,
    budget_usd_per_hour: options.budget ?? null,
    ...(options.confidence === undefined ? {} : { confidence: options.confidence }),
    degrade_to: degradeTo ?? null,
    rate: rate ?? null,
    ...(options.shadow === undefined ? {} : { shadow_percent: options.shadow }),
    reference: reference ?? null,
    force: options.force === true,
  };
}

function parseModels(text: string): readonly string[] {
  const models = text.split(',').map((each) => each.trim());
  if (models.every((each) => each !== '')) return models;
  throw new InvalidArgumentError(`expected models separated by commas, such as digits-mlp,digits-cnn/1, got '${text}'`);
}

/** `$0.20/h` or `0.20`. */
export function parseBudget(text: string): number {
  const [, digits = ''] = /^\$?(\d+(?:\.\d+)?)(?:\/h)?$/.exec(text.trim()) ?? [];
  if (Number(digits) > 0) return Number(digits);
  throw new InvalidArgumentError(`expected dollars per hour, such as '$0.20/h', got '${text}'`);
}

/** A percentage, or null for `none`. */
export function parseConfidence(text: string): number | null {
  if (text === 'none') return null;
  const percent = Number(text.replace(/%$/, ''));
  if (percent >= 50 && percent < 100) return percent;
  throw new InvalidArgumentError(`expected a percentage from 50 to below 100, or none, got '${text}'`);
}

/** `1%` or `1`. */
function parseShadow(text: string): number {
  const percent = Number(text.trim().replace(/%$/, '') || Number.NaN);
  if (percent >= 0 && percent <= 20) return percent;
  throw new InvalidArgumentError(`expected a percentage from 0 to 20, got '${text}'`);
}
