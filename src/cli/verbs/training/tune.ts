/** `penstock tune`: trains a script again and again, with other hyperparameters, and finds the best ones. */
import { type Command, Option } from 'commander';
import type { TuningJobBody, TuningTrialBody } from '../../../api/index.ts';
import { defined } from '../../../defined.ts';
import { parseDurationMs } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { formBody } from '../../client/form-body.ts';
import { shellQuoted } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { type BetterBy, parseBetterBy } from '../../training/approve-if-better.ts';
import { followTuning, tuningPathOf } from '../../training/follow-tuning.ts';
import { trialsPicture, trialsTable } from '../../training/format-tuning.ts';
import { addedRange } from '../../training/parse-ranges.ts';
import { readTrainData, readTrainSource, sourcePart } from '../../training/train-inputs.ts';
import {
  addCodeOptions,
  addMetricOption,
  addPlaceOptions,
  addRunOptions,
  environmentOf,
  sizesText,
  type TrainedOptions,
  trainSpecOf,
} from '../../training/train-options.ts';
import { parsedBy, type VerbSession, verb, wholeNumber } from '../../verb.ts';

interface TuneOptions extends TrainedOptions {
  readonly range?: TuningJobBody['ranges'];
  readonly objective?: BetterBy;
  readonly strategy: TuningJobBody['strategy'];
  readonly jobs: number;
  readonly parallel: number;
  /** Milliseconds. */
  readonly maxTime?: number;
  readonly stopEarly: boolean;
  readonly maxReports?: number;
  readonly seed?: number;
  readonly name?: string;
  readonly wait: boolean;
  readonly detach: boolean;
}

const strategies = { bayesian: 'Bayesian', random: 'Random', grid: 'Grid', hyperband: 'Hyperband' } as const;

export function addTune(program: Command, context: CliContext): void {
  verb(program, context, 'tune <path>', 'tune hyperparameters: train a script with values from their ranges, and find the best')
    .with(addTuneOptions)
    .runs(async (session, options: TuneOptions, path: string) => {
      const { range: ranges, metric = {} } = options;
      if (ranges === undefined) throw new CliError('there is nothing to tune: name a range, such as --range lr=0.001..1', 2);
      const objective = options.objective ?? onlyMetric(metric);
      const source = await readTrainSource(path, options.entry);
      const data = await Promise.all((options.data ?? []).map(readTrainData));
      const client = await session.client();
      const inputs = { source, data, environment: await environmentOf(client, options.environment) };
      const spec = defined({
        name: options.name,
        strategy: options.strategy,
        metric: objective.metric,
        goal: objective.isLower ? 'Minimize' : 'Maximize',
        ranges,
        jobs: options.jobs,
        parallel: options.parallel,
        max_runtime_s: options.maxTime === undefined ? undefined : Math.max(1, Math.round(options.maxTime / 1000)),
        stops_early: options.stopEarly,
        max_reports: options.maxReports,
        seed: options.seed,
        training: trainSpecOf(options, inputs),
      });
      const progress = new Progress(session.context);
      progress.stage('upload', sizesText(inputs));
      const parts = [
        { name: 'spec', content: JSON.stringify(spec) },
        sourcePart(source),
        ...data.flatMap(({ part }) => (part === null ? [] : [part])),
      ];
      const job = await client.post<TuningJobBody>('/tuning-jobs', formBody(parts));
      progress.done(`${job.name} (${job.strategy}, ${job.jobs} trials, ${job.instance_type}): ${sizesText(inputs)}`);
      if (!options.wait || options.detach) {
        session.print(job, `${job.name} was created: see it with penstock tuning describe ${job.name}\n`);
        return 0;
      }
      const over = await followTuning(session, client, job);
      if (over === null) return 1;
      const { items } = await client.get<{ items: readonly TuningTrialBody[] }>(`${tuningPathOf(over.name)}/trials`);
      return reportTuning(session, over, items, path);
    });
}

function addTuneOptions(command: Command): void {
  const duration = parsedBy(parseDurationMs);
  command
    .optionsGroup('Tuning:')
    .option('--range <range>', 'lr=0.001..1, lr=0.001..1:log, depth=2..10 or optimizer=adam,sgd; may be repeated', addedRange)
    .addOption(
      new Option('--objective <metric>', 'the metric to raise; rmse:min to lower it (default: the only --metric)').argParser(parseBetterBy),
    );
  addMetricOption(command);
  command
    .addOption(
      new Option('--strategy <name>', `one of ${Object.keys(strategies).join(', ')}`)
        .default('Bayesian', 'bayesian')
        .argParser(parsedBy(strategyNamed)),
    )
    .addOption(new Option('--jobs <number>', 'trials in all').default(20).argParser(wholeNumber(1, 1000)))
    .addOption(new Option('--parallel <number>', 'trials at once').default(1).argParser(wholeNumber(1, 100)))
    .option('--max-time <duration>', 'stop all trials after this time', duration)
    .option('--stop-early', 'stop trials that are worse than the median of the others after as many reports', false)
    .addOption(
      new Option('--max-reports <number>', 'of hyperband: reports of the metric in a whole training (default: 27)').argParser(
        wholeNumber(1, 100_000),
      ),
    )
    .addOption(new Option('--seed <number>', 'the same trials for the same seed (default: random)').argParser(wholeNumber(0, 2 ** 32 - 1)));
  addCodeOptions(command);
  command.optionsGroup('Results:');
  addPlaceOptions(command);
  command.optionsGroup('Run:').option('--name <name>', 'name of the tuning job (default: SCRIPT-N, counted)');
  addRunOptions(command);
  command.option('--wait', 'wait for its end; Ctrl-C detaches', true).option('--detach', 'return at once, while it runs', false);
}

function strategyNamed(text: string): TuningJobBody['strategy'] {
  if (Object.hasOwn(strategies, text)) return strategies[text as keyof typeof strategies];
  throw new CliError(`--strategy: expected ${Object.keys(strategies).join(', ')}, got '${text.slice(0, 50)}'`, 2);
}

function onlyMetric(metrics: Readonly<Record<string, string>>): BetterBy {
  const [metric, ...others] = Object.keys(metrics);
  if (metric !== undefined && others.length === 0) return parseBetterBy(metric);
  const todo =
    metric === undefined ? "define a metric, such as --metric 'accuracy=accuracy: ([0-9.]+)'" : 'name one of them with --objective';
  throw new CliError(`there are ${Object.keys(metrics).length} metrics to tune by: ${todo}`, 2);
}

/** The trials, their picture, and how to train with the best values. Throws `CliError` unless the job completed. */
function reportTuning(session: VerbSession, job: TuningJobBody, trials: readonly TuningTrialBody[], path: string): number {
  const next = job.best === null ? '' : `next: ${bestCommand(job.best, path)}\n`;
  const text = [trialsPicture(trials, job.goal), trialsTable(trials, job, session.style)].filter((part) => part !== '').join('\n');
  session.print({ ...job, trials }, `${text}${next}`);
  if (job.status === 'Completed') return 0;
  throw new CliError(`${job.name} is ${job.status}: ${job.reason ?? 'it was stopped'}; see penstock tuning describe ${job.name}`);
}

function bestCommand({ values }: TuningTrialBody, path: string): string {
  const set = Object.entries(values).map(([name, value]) => `--hyperparameter ${shellQuoted(`${name}=${value}`)}`);
  return ['penstock train', shellQuoted(path), ...set, '--group GROUP'].join(' ');
}
