/** `penstock evaluate`: what models are worth on a labelled set. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { EvaluationBody, EvaluationSetBody, QualityBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError, ServerError } from '../../cli-error.ts';
import { Client, pathSegment } from '../../client/client.ts';
import { pause } from '../../client/pause.ts';
import { nameFor, readSource, registerSource } from '../../models/model-source.ts';
import { countText, timeText } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, type VerbSession, verb } from '../../verb.ts';

interface EvaluateOptions extends CommonOptions {
  readonly data?: string;
  readonly label?: string;
  readonly name?: string;
  readonly set?: string;
  readonly metric: 'accuracy' | 'rmse' | 'mae';
  readonly skipBadLabels: boolean;
  readonly list: boolean;
  readonly listSets: boolean;
  readonly deleteSet?: string;
}

const pollEveryMs = 250;
/** Two models differ if equal ones would differ so much in less than one case of twenty. */
const significance = 0.05;

export function addEvaluate(program: Command, context: CliContext): void {
  verb(program, context, 'evaluate [models...]', 'measure what models are worth on a labelled set, with confidence intervals')
    .with((command) =>
      command
        .optionsGroup('Labelled set:')
        .option('--data <file>', 'CSV with a header, or JSON lines: the inputs and the right answer of each row')
        .option('--label <column>', 'column or JSON member with the right answer')
        .option('--name <set>', 'name of the set (default: by the file name)')
        .addOption(
          new Option('--metric <metric>', 'accuracy of classes, or the error of values')
            .choices(['accuracy', 'rmse', 'mae'])
            .default('accuracy'),
        )
        .option('--set <name>', 'use a set that was uploaded before, instead of --data')
        .option('--skip-bad-labels', 'count labels that a model cannot answer as errors', false)
        .optionsGroup('Other:')
        .option('--list', 'list the evaluations', false)
        .option('--list-sets', 'list the sets', false)
        .option('--delete-set <name>', 'delete a set and its evaluations'),
    )
    .runs(async (session, options: EvaluateOptions, models: readonly string[] = []) => {
      const client = await session.client();
      if (options.list) return list(session, client);
      if (options.listSets) return listSets(session, client);
      if (options.deleteSet !== undefined) return deleteSet(session, client, options.deleteSet);
      if (models.length === 0)
        throw new CliError('missing arguments: expected at least one model, and --data FILE --label COLUMN or --set NAME', 2);
      const set = await setOf(session, client, options);
      const names: string[] = [];
      for (const model of models) names.push(await nameOf(session, client, model));
      const json = { set: set.name, models: names, skip_bad_labels: options.skipBadLabels };
      return follow(session, client, await client.post<EvaluationBody>('/evaluations', { json }));
    });
}

async function nameOf(session: VerbSession, client: Client, model: string): Promise<string> {
  const source = await readSource(model, { registersOnly: false });
  return (await registerSource(client, new Progress(session.context), source, nameFor(source), { reuse: true })).version.name;
}

async function setOf(session: VerbSession, client: Client, options: EvaluateOptions): Promise<EvaluationSetBody> {
  const { data, label, set, metric } = options;
  if (set !== undefined) {
    if (data !== undefined || label !== undefined)
      throw new CliError('--set cannot be combined with --data and --label: a set never changes', 2);
    return client.get<EvaluationSetBody>(`/evaluation-sets/${pathSegment(set)}`);
  }
  if (data === undefined || label === undefined)
    throw new CliError('missing arguments: expected --data FILE and --label COLUMN, or --set NAME', 2);
  const file = await stat(data).catch(() => null);
  if (file?.isFile() !== true) throw new CliError(`there is no file ${data}`);
  const name = options.name ?? setNameFor(data);
  const progress = new Progress(session.context);
  progress.stage('upload', `${data} as ${name}`);
  try {
    const uploaded = await client.put<EvaluationSetBody>(`/evaluation-sets/${pathSegment(name)}`, {
      query: { label, metric },
      body: createReadStream(data),
      contentType: /\.(jsonl|ndjson)$/i.test(data) ? 'application/jsonlines' : 'text/csv',
    });
    progress.done(`${uploaded.name}: ${countText(uploaded.rows, 'row')}`);
    return uploaded;
  } catch (error) {
    progress.fail();
    throw error;
  }
}

/** `data/digits_test.csv` becomes `digits-test`. */
function setNameFor(path: string): string {
  const name = (path.split(/[/\\]/).at(-1) as string).replace(/\.[^.]*$/, '').replaceAll(/[^a-zA-Z0-9]+/g, '-');
  return name.replaceAll(/^-+|-+$/g, '').slice(0, 63);
}

async function list(session: VerbSession, client: Client): Promise<number> {
  const items = await client.all<EvaluationBody>('/evaluations');
  const rows = table(items, [
    { title: 'SET', cell: ({ set }) => set.name },
    { title: 'MODELS', cell: ({ models }) => models.map(({ model }) => model).join(', ') },
    { title: 'STATE', cell: ({ state }) => state },
    { title: 'CREATED (UTC)', cell: ({ created_at: at }) => timeText(at) },
    { title: 'ID', cell: ({ id }) => id },
  ]);
  session.print({ items }, items.length === 0 ? 'no evaluations yet\n' : rows);
  return 0;
}

async function listSets(session: VerbSession, client: Client): Promise<number> {
  const items = await client.all<EvaluationSetBody>('/evaluation-sets');
  const rows = table(items, [
    { title: 'SET', cell: ({ name }) => name },
    { title: 'ROWS', cell: ({ rows: count }) => count, align: 'right' },
    { title: 'CLASSES', cell: ({ classes }) => classes?.length ?? '', align: 'right' },
    { title: 'LABEL', cell: ({ label }) => label },
    { title: 'METRIC', cell: ({ metric }) => metric },
    { title: 'MODELS', cell: ({ models }) => models, align: 'right' },
    { title: 'SHA256', cell: ({ sha256 }) => sha256.slice(0, 12) },
  ]);
  session.print({ items }, items.length === 0 ? 'no evaluation sets yet\n' : rows);
  return 0;
}

async function deleteSet(session: VerbSession, client: Client, name: string): Promise<number> {
  await client.delete(`/evaluation-sets/${pathSegment(name)}`);
  session.print({ deleted: name }, `deleted evaluation set ${name}\n`);
  return 0;
}

/** Follows an evaluation until it ends. Ctrl-C stops it. */
async function follow(session: VerbSession, client: Client, first: EvaluationBody): Promise<number> {
  const { context } = session;
  const progress = new Progress(context);
  const path = `/evaluations/${pathSegment(first.id)}`;
  let now = first;
  progress.stage('evaluate', `${countText(now.models.length, 'model')} on ${now.set.name}`);
  try {
    while (now.state === 'InProgress') {
      await pause(context.clock, pollEveryMs, context.interrupted);
      if (context.interrupted.aborted) return await stop(session, client, path, progress);
      now = await client.get<EvaluationBody>(path);
      if (context.stderr.isTTY === true && now.state === 'InProgress') progress.write(progressText(now));
    }
  } catch (error) {
    if (context.interrupted.aborted) return stop(session, client, path, progress);
    progress.fail();
    if (!(error instanceof CliError) || error instanceof ServerError) throw error;
    const advice = 'the evaluation continues once its server is running again: see penstock evaluate --list';
    throw new CliError(`${error.message}; ${advice}`, 1, { cause: error });
  }
  if (now.state === 'Completed') progress.done();
  else progress.fail();
  session.print(now, formatEvaluation(now));
  return now.models.every(({ state }) => state === 'Completed') ? 0 : 1;
}

function progressText({ models, set }: EvaluationBody): string {
  const rows = models.reduce((sum, { state, rows_done: done }) => sum + (state === 'Completed' ? set.rows : (done ?? 0)), 0);
  return `${Math.floor((100 * rows) / (set.rows * models.length))} %  ${rows.toLocaleString('en-US')} rows`;
}

async function stop(session: VerbSession, { url }: Client, path: string, progress: Progress): Promise<number> {
  // The verb's own signal has aborted its client, so this call needs another one.
  const client = new Client(url, await session.keyFor(url), AbortSignal.timeout(10_000));
  await client.post<EvaluationBody>(`${path}/stop`, { json: {} });
  progress.fail();
  session.remark('stopped; models that had completed stay evaluated');
  return 1;
}

type ModelBody = EvaluationBody['models'][number];
type Judged = ModelBody & { readonly quality: QualityBody };

/** The table of the models, worst first, and what cannot be told apart. */
export function formatEvaluation(now: EvaluationBody): string {
  const { set, models, pairs } = now;
  const classes = set.classes === null ? '' : `, ${set.classes.length} classes`;
  const head = `evaluation  ${set.name}: ${countText(set.rows, 'row')}${classes}, sha256 ${set.sha256.slice(0, 12)}\n`;
  const judged = models.filter((each): each is Judged => each.quality !== null).sort((a, b) => worth(a.quality) - worth(b.quality));
  const rows = set.classes === null ? valuesTable(judged) : classesTable(judged, pairs);
  const notes = models.flatMap(({ model, notes: found }) => found.map((note) => `${model}: ${note}\n`));
  const failed = models.filter(({ state }) => state !== 'Completed').map(({ model, state, reason }) => `${model}: ${reason ?? state}\n`);
  return [head, judged.length === 0 ? '' : `\n${rows}`, ...closeTexts(now, judged), ...notes, ...failed].join('');
}

function worth(quality: QualityBody): number {
  return quality.kind === 'classes' ? quality.accuracy : -quality.rmse;
}

function classesTable(judged: readonly Judged[], pairs: EvaluationBody['pairs']): string {
  const of = ({ quality }: Judged) => quality as Extract<QualityBody, { kind: 'classes' }>;
  return table(judged, [
    { title: 'MODEL', cell: ({ model }) => model },
    { title: 'ERRORS', cell: (each) => of(each).errors, align: 'right' },
    { title: 'ACCURACY', cell: (each) => of(each).accuracy.toFixed(4), align: 'right' },
    { title: '95 %', cell: (each) => `${of(each).low.toFixed(4)}…${of(each).high.toFixed(4)}` },
    { title: 'F1', cell: (each) => of(each).macro_f1.toFixed(4), align: 'right' },
    { title: 'LOG-LOSS', cell: (each) => of(each).log_loss?.toFixed(4) ?? '', align: 'right' },
    { title: 'CALIBRATION', cell: (each) => of(each).calibration_error?.toFixed(4) ?? '', align: 'right' },
    { title: 'NEXT BETTER, P', cell: (each) => nextBetter(each, judged, pairs) },
  ]);
}

/** The next better model, and how likely equal models would differ so much. */
function nextBetter(each: Judged, judged: readonly Judged[], pairs: EvaluationBody['pairs']): string {
  const next = judged[judged.indexOf(each) + 1];
  const pair = next === undefined ? undefined : pairOf(pairs, each.model, next.model);
  const pValue = pair?.p_value ?? null;
  return next === undefined || pValue === null ? '' : `${next.model} ${pValue.toFixed(4)}`;
}

function pairOf(pairs: EvaluationBody['pairs'], a: string, b: string) {
  return pairs.find(({ first, second }) => (first === a && second === b) || (first === b && second === a));
}

function valuesTable(judged: readonly Judged[]): string {
  const of = ({ quality }: Judged) => quality as Extract<QualityBody, { kind: 'values' }>;
  return table(judged, [
    { title: 'MODEL', cell: ({ model }) => model },
    { title: 'RMSE', cell: (each) => of(each).rmse.toPrecision(5), align: 'right' },
    { title: '95 %', cell: (each) => `${of(each).rmse_low.toPrecision(5)}…${of(each).rmse_high.toPrecision(5)}` },
    { title: 'MAE', cell: (each) => of(each).mae.toPrecision(5), align: 'right' },
  ]);
}

/** Neighbours of the table that the set does not tell apart. */
function closeTexts({ pairs }: EvaluationBody, judged: readonly Judged[]): string[] {
  return judged.flatMap(({ model }, i) => {
    const next = judged[i + 1];
    const pair = next === undefined ? undefined : pairOf(pairs, model, next.model);
    if (next === undefined || pair === undefined) return [];
    if (pair.p_value === null) {
      const isClose = (pair.low ?? 0) <= 0 && (pair.high ?? 0) >= 0;
      return isClose
        ? [`${model} and ${next.model} cannot be told apart by these rows (the interval of the difference includes 0).\n`]
        : [];
    }
    if (pair.p_value < significance) return [];
    return [`${model} and ${next.model} cannot be told apart by these rows (McNemar p = ${pair.p_value.toFixed(2)}).\n`];
  });
}
