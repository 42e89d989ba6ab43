/** `penstock transform`: runs a whole data set through a model. */

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { TransformBody, TransformObjectBody } from '../../../api/index.ts';
import { instanceTypeDefault } from '../../../fields/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError, ServerError } from '../../cli-error.ts';
import { Client, pathSegment } from '../../client/client.ts';
import { pause } from '../../client/pause.ts';
import { nameFor, readSource, registerSource } from '../../models/model-source.ts';
import { countText, durationText, formatMsText, shellQuoted, timeText } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { fields, table } from '../../output/table.ts';
import { type CommonOptions, type VerbSession, verb, wholeNumber } from '../../verb.ts';

interface TransformOptions extends CommonOptions {
  readonly input?: string;
  readonly to?: string;
  readonly name?: string;
  readonly type?: string;
  readonly accept?: string;
  readonly join: boolean;
  readonly ignore?: readonly string[];
  readonly keep?: readonly string[];
  readonly inputFilter?: string;
  readonly outputFilter?: string;
  readonly badRecords: 'fail' | 'skip';
  readonly instances: number;
  readonly instanceType: string;
  readonly resume?: string;
  readonly list: boolean;
}

const pollEveryMs = 250;
const barWidth = 24;

export function addTransform(program: Command, context: CliContext): void {
  const builder = verb(program, context, 'transform [model]', 'run a whole data set through a model, on dedicated workers');
  builder
    .with((command) =>
      command
        .optionsGroup('Data:')
        .option('--input <location>', 'a file, a directory or s3://bucket/prefix: CSV, JSON lines, JSON or npy, also .gz')
        .option('--to <location>', 'a directory or s3://bucket/prefix for the results, each NAME.out (--output is the output format)')
        .option('--type <content-type>', 'content type of the objects (default: by file extension)')
        .option('--accept <content-type>', 'content type of the results (default: that of the input)')
        .optionsGroup('Records:')
        .option('--join', 'write each result next to its record', false)
        .addOption(
          new Option('--ignore <columns>', 'columns that are not features, by name or number: label,id or -1').argParser(columnsIn),
        )
        .addOption(new Option('--keep <columns>', 'CSV columns to write before the result, by name or number').argParser(columnsIn))
        .option('--input-filter <path>', 'part of a record that the model receives, such as $.features or $[1:]')
        .option('--output-filter <path>', 'part of a result to write')
        .addOption(
          new Option('--bad-records <action>', 'fail an object with a bad record, or skip the record')
            .choices(['fail', 'skip'])
            .default('fail'),
        )
        .optionsGroup('Run:')
        .option('--name <name>', 'name of the transform, also for resuming it')
        .addOption(new Option('--instances <number>', 'number of workers').argParser(wholeNumber(1, 100)).default(1))
        .option('--instance-type <type>', 'instance type of the workers', instanceTypeDefault)
        .option('--resume <name>', 'resume a transform that was stopped or failed')
        .option('--list', 'list the transforms', false),
    )
    .runs(async (session, options: TransformOptions, model?: string) => {
      if (options.list) return list(session);
      const { resume: name } = options;
      if (name !== undefined) checkResumeOptions(builder.command, name, model);
      const client = await session.client();
      const first = name === undefined ? await start(session, client, options, model) : await resume(client, name);
      return await follow(session, client, first, name !== undefined);
    });
}

function columnsIn(text: string): string[] {
  return text.split(',').map((column) => column.trim());
}

async function list(session: VerbSession): Promise<number> {
  const items = await (await session.client()).all<TransformBody>('/transforms');
  const rows = table(items, [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'MODEL', cell: ({ model }) => model },
    { title: 'STATE', cell: ({ state }) => state },
    { title: 'OBJECTS', cell: ({ objects, objects_done: done }) => `${done}/${objects}`, align: 'right' },
    { title: 'RECORDS', cell: ({ records }) => records, align: 'right' },
    { title: 'CREATED (UTC)', cell: ({ created_at: at }) => timeText(at) },
  ]);
  session.print({ items }, items.length === 0 ? 'no transforms yet\n' : rows);
  return 0;
}

async function start(session: VerbSession, client: Client, options: TransformOptions, model: string | undefined): Promise<TransformBody> {
  const { input, to } = options;
  if (model === undefined || input === undefined || to === undefined) {
    throw new CliError('missing arguments: expected a model, --input LOCATION and --to LOCATION, or --resume NAME', 2);
  }
  const source = await readSource(model, { registersOnly: false });
  const { version } = await registerSource(client, new Progress(session.context), source, nameFor(source), { reuse: true });
  return client.post<TransformBody>('/transforms', {
    json: {
      name: options.name,
      model: version.name,
      input: await parseLocation(input, true),
      output: await parseLocation(to, false),
      content_type: options.type,
      accept: options.accept,
      join: options.join,
      ignore: options.ignore,
      keep: options.keep,
      input_filter: options.inputFilter,
      output_filter: options.outputFilter,
      bad_records: options.badRecords,
      instances: options.instances,
      instance_type: options.instanceType,
    },
  });
}

/** Rejects options that `--resume` would ignore. */
function checkResumeOptions(command: Command, name: string, model: string | undefined): void {
  const own = new Set(['resume', 'dataDir', 'output']);
  const provided = command.options.filter((option) => {
    const key = option.attributeName();
    return !own.has(key) && command.getOptionValueSource(key) === 'cli';
  });
  const ignored = [...(model === undefined ? [] : [`the model ${model}`]), ...provided.map(({ long }) => long)];
  if (ignored.length === 0) return;
  const message = `--resume cannot be combined with ${ignored.join(', ')}: ${shellQuoted(name)} keeps its settings. Start a new transform for other settings`;
  throw new CliError(message, 2);
}

function resume(client: Client, name: string): Promise<TransformBody> {
  return client.post<TransformBody>(`/transforms/${pathSegment(name)}/resume`, { json: {} });
}

/** Resolves local paths, which the server reads and writes itself on the same machine. */
async function parseLocation(text: string, mustExist: boolean): Promise<string> {
  if (text.startsWith('s3://')) return text;
  const path = resolve(text);
  if (mustExist && (await stat(path).catch(() => null)) === null) throw new CliError(`there is no file or directory ${text}`);
  return path;
}

/** Follows a transform until it ends. Ctrl-C stops it. */
async function follow(session: VerbSession, client: Client, first: TransformBody, isResumed: boolean): Promise<number> {
  const { context } = session;
  const progress = new Progress(context);
  const path = `/transforms/${pathSegment(first.name)}`;
  let now = first;
  progress.stage('transform', `${now.name}: ${now.model}`);
  try {
    while (now.state === 'InProgress' || now.state === 'Stopping') {
      await pause(context.clock, pollEveryMs, context.interrupted);
      if (context.interrupted.aborted) return await stop(session, client, path, progress);
      now = await client.get<TransformBody>(path);
      if (context.stderr.isTTY === true && now.state === 'InProgress') progress.write(progressText(now));
    }
  } catch (error) {
    if (context.interrupted.aborted) return stop(session, client, path, progress);
    progress.fail();
    throw error instanceof CliError && !(error instanceof ServerError) ? connectionLost(error, now.name) : error;
  }
  if (now.state === 'Completed') progress.done(`${now.name}: ${countText(now.records, 'record')}`);
  else progress.fail();
  await printOutcome(session, client, now, isResumed);
  return now.state === 'Completed' ? 0 : 1;
}

/** The transform survives a lost connection: its state is in the server's database. */
function connectionLost(error: CliError, name: string): CliError {
  const advice = `transform ${name} continues once its server is running again: follow it with penstock transform --resume ${shellQuoted(name)}`;
  return new CliError(`${error.message}; ${advice}`, 1, { cause: error });
}

async function stop(session: VerbSession, { url }: Client, path: string, progress: Progress): Promise<number> {
  // The verb's own signal has aborted its client, so this call needs another one.
  const client = new Client(url, await session.keyFor(url), AbortSignal.timeout(10_000));
  const { name } = await client.post<TransformBody>(`${path}/stop`, { json: {} });
  progress.fail();
  session.remark(`stopped; completed results are kept. Resume with penstock transform --resume ${shellQuoted(name)}`);
  return 1;
}

/** `━━━━━━━━━━━━──────────── 52 %  1,200,000 records  310,000/s  4 s left` */
export function progressText({
  bytes,
  bytes_done: done,
  records,
  records_per_second: rate,
  remaining_ms: remainingMs,
}: TransformBody): string {
  const share = bytes === 0 ? 0 : done / bytes;
  const full = Math.round(share * barWidth);
  const bar = '━'.repeat(full) + '─'.repeat(barWidth - full);
  const speed = rate === null ? '' : `  ${Math.round(rate).toLocaleString('en-US')}/s`;
  const rest = remainingMs === null ? '' : `  ${durationText(remainingMs / 1000)} left`;
  return `${bar} ${Math.floor(share * 100)} %  ${records.toLocaleString('en-US')} records${speed}${rest}`;
}

async function printOutcome(session: VerbSession, client: Client, now: TransformBody, isResumed: boolean): Promise<void> {
  const { items } = await client.get<{ items: readonly TransformObjectBody[] }>(`/transforms/${pathSegment(now.name)}/objects`, {
    query: { limit: 500 },
  });
  session.print({ ...now, items }, formatTransformOutcome(now, items, isResumed));
}

/** The outcome of a transform, with reasons and advice. An object's error is printed once, with the object. */
export function formatTransformOutcome(now: TransformBody, items: readonly TransformObjectBody[], isResumed: boolean): string {
  const { started_at: started, ended_at: ended } = now;
  const took = started === null || ended === null ? null : formatMsText(Date.parse(ended) - Date.parse(started));
  const failed = items.filter(({ state, note }) => state === 'failed' && note !== null);
  const [first] = failed;
  // A long reason is truncated, but never before the note of its first object.
  const isRepeated = failed.length === now.objects_failed && first !== undefined && (now.reason ?? '').includes(`: ${first.name}: `);
  const objects = `${now.objects_done} of ${now.objects}`;
  const text = fields([
    ['transform', now.name],
    ['state', now.state],
    ['reason', isRepeated ? null : now.reason],
    ['objects', now.objects_failed > 0 ? `${objects}, ${now.objects_failed} failed` : objects],
    ['records', now.records_skipped > 0 ? `${now.records}, ${now.records_skipped} skipped` : now.records],
    // For a resumed transform this counts from its first start and includes pauses.
    isResumed ? ['total time', took === null ? null : `${took}, pauses included`] : ['took', took],
    ['batch rows', now.batch_rows],
    ['results', now.output],
  ]);
  const notes = items.filter(({ note }) => note !== null).map(({ name, note }) => `${name}: ${note}\n`);
  return `${text}${notes.join('')}${adviceText(now)}`;
}

/** Advice for both causes of a failure, data and settings, because the cause is unknown. */
function adviceText({ name, state }: TransformBody): string {
  if (state === 'Completed') return '';
  const again = `penstock transform --resume ${shellQuoted(name)}`;
  if (state !== 'Failed') return `resume with ${again}\n`;
  return `if the data or locations were wrong, fix them and run ${again}; if the settings were wrong, start a new transform\n`;
}
