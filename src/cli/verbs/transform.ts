/** `penstock transform`: a whole data set through a model. */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { TransformBody, TransformObjectBody } from '../../api/index.ts';
import { keyOf } from '../address.ts';
import { Client, part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { Failure, Refusal } from '../failure.ts';
import { nameFor, readSource, registerSource } from '../model-source.ts';
import { pause } from '../pause.ts';
import { Progress } from '../progress.ts';
import { fields, table } from '../table.ts';
import { type CommonOptions, type Session, verb, wholeNumber } from '../verb.ts';
import { countText, durationText, msText, shellQuoted, timeText } from '../words.ts';

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

const lookEveryMs = 250;
const barWidth = 24;

export function addTransform(program: Command, doors: Doors): void {
  const builder = verb(program, doors, 'transform [model]', 'put a whole data set through a model, on workers of its own');
  builder
    .with((command) =>
      command
        .option('--input <place>', 'a file, a directory or s3://bucket/prefix: CSV, JSON lines, JSON or npy, also .gz')
        .option('--to <place>', 'a directory or s3://bucket/prefix for the results, NAME.out each (--output is how to print)')
        .option('--name <name>', 'what the transform is called; also to go on with it later')
        .option('--type <content-type>', 'what the objects are, where their names do not say')
        .option('--accept <content-type>', 'what the results shall be, where not the same')
        .option('--join', 'write results beside their records', false)
        .addOption(new Option('--ignore <columns>', 'columns that are no features, by name or number: label,id or -1').argParser(columnsIn))
        .addOption(new Option('--keep <columns>', 'such columns of a CSV that are written before the result').argParser(columnsIn))
        .option('--input-filter <path>', 'what of a record the model sees, such as $.features or $[1:]')
        .option('--output-filter <path>', 'what of a result is written')
        .addOption(
          new Option('--bad-records <what>', 'an object with a bad record has no result, or one without it')
            .choices(['fail', 'skip'])
            .default('fail'),
        )
        .addOption(new Option('--instances <number>', 'how many workers').argParser(wholeNumber(1, 100)).default(1))
        .option('--instance-type <type>', 'what they are', 'local.1')
        .option('--resume <name>', 'do what a transform that was stopped or failed has not done')
        .option('--list', 'list the transforms there are', false),
    )
    .runs(async (session, options: TransformOptions, model?: string) => {
      if (options.list) return list(session);
      const { resume: name } = options;
      if (name !== undefined) refuseBesideResume(builder.command, name, model);
      const client = await session.client();
      const begun = name === undefined ? await begin(session, client, options, model) : await resume(client, name);
      return await follow(session, client, begun, name !== undefined);
    });
}

function columnsIn(text: string): string[] {
  return text.split(',').map((column) => column.trim());
}

async function list(session: Session): Promise<number> {
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

async function begin(session: Session, client: Client, options: TransformOptions, model: string | undefined): Promise<TransformBody> {
  const { input, to } = options;
  if (model === undefined || input === undefined || to === undefined) {
    throw new Failure('expected a model, --input PLACE and --to PLACE, or --resume NAME', 2);
  }
  const source = await readSource(model, { registersOnly: false });
  const { version } = await registerSource(client, new Progress(session.doors), source, nameFor(source), { reuse: true });
  return client.post<TransformBody>('/transforms', {
    json: {
      name: options.name,
      model: version.name,
      input: await placeOf(input, true),
      output: await placeOf(to, false),
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

/** What is said beside `--resume` would change nothing. */
function refuseBesideResume(command: Command, name: string, model: string | undefined): void {
  const own = new Set(['resume', 'dataDir', 'output']);
  const given = command.options.filter((option) => {
    const key = option.attributeName();
    return !own.has(key) && command.getOptionValueSource(key) === 'cli';
  });
  const told = [...(model === undefined ? [] : [`the model ${model}`]), ...given.map(({ long }) => long)];
  if (told.length === 0) return;
  const message = `${told.join(', ')} beside --resume: ${shellQuoted(name)} goes on with the settings it has; begin a new transform for others`;
  throw new Failure(message, 2);
}

function resume(client: Client, name: string): Promise<TransformBody> {
  return client.post<TransformBody>(`/transforms/${part(name)}/resume`, { json: {} });
}

/** Paths are the server's: it reads and writes them itself, on the same machine. */
async function placeOf(text: string, mustExist: boolean): Promise<string> {
  if (text.startsWith('s3://')) return text;
  const path = resolve(text);
  if (mustExist && (await stat(path).catch(() => null)) === null) throw new Failure(`there is no file or directory ${text}`);
  return path;
}

/** Until it is over. Ctrl-C stops it. */
async function follow(session: Session, client: Client, begun: TransformBody, isResumed: boolean): Promise<number> {
  const { doors } = session;
  const progress = new Progress(doors);
  const path = `/transforms/${part(begun.name)}`;
  let now = begun;
  progress.stage('transform', `${now.name}: ${now.model}`);
  try {
    while (now.state === 'InProgress' || now.state === 'Stopping') {
      await pause(doors.clock, lookEveryMs, doors.interrupted);
      if (doors.interrupted.aborted) return await stop(session, client, path, progress);
      now = await client.get<TransformBody>(path);
      if (doors.stderr.isTTY === true && now.state === 'InProgress') progress.say(progressText(now));
    }
  } catch (error) {
    if (doors.interrupted.aborted) return stop(session, client, path, progress);
    progress.fail();
    throw error instanceof Failure && !(error instanceof Refusal) ? lostSight(error, now.name) : error;
  }
  if (now.state === 'Completed') progress.done(`${now.name}: ${countText(now.records, 'record')}`);
  else progress.fail();
  await tell(session, client, now, isResumed);
  return now.state === 'Completed' ? 0 : 1;
}

/** The server went away, not the transform: that is in its database. */
function lostSight(error: Failure, name: string): Failure {
  const again = `penstock transform --resume ${shellQuoted(name)}`;
  const cure = `transform ${name} goes on by itself once its server runs again, and ${again} follows it then`;
  return new Failure(`${error.message}; ${cure}`, 1, { cause: error });
}

async function stop(session: Session, { url }: Client, path: string, progress: Progress): Promise<number> {
  // The verb's own signal ends its calls: this one is made all the same.
  const client = new Client(url, keyOf(session.doors.env), AbortSignal.timeout(10_000));
  const { name } = await client.post<TransformBody>(`${path}/stop`, { json: {} });
  progress.fail();
  session.remark(`stopped; what is done is kept: penstock transform --resume ${shellQuoted(name)} goes on`);
  return 1;
}

/** `━━━━━━━━━━━━──────────── 52 %  1,200,000 records  310,000/s  4 s left` */
export function progressText({ bytes, bytes_done: done, records, records_per_second: rate, remaining_ms: left }: TransformBody): string {
  const share = bytes === 0 ? 0 : done / bytes;
  const full = Math.round(share * barWidth);
  const bar = '━'.repeat(full) + '─'.repeat(barWidth - full);
  const speed = rate === null ? '' : `  ${Math.round(rate).toLocaleString('en-US')}/s`;
  const rest = left === null ? '' : `  ${durationText(left / 1000)} left`;
  return `${bar} ${Math.floor(share * 100)} %  ${records.toLocaleString('en-US')} records${speed}${rest}`;
}

async function tell(session: Session, client: Client, now: TransformBody, isResumed: boolean): Promise<void> {
  const { items } = await client.get<{ items: readonly TransformObjectBody[] }>(`/transforms/${part(now.name)}/objects`, {
    query: { limit: 500 },
  });
  session.print({ ...now, items }, outcomeText(now, items, isResumed));
}

/** What became of a transform that is over, why, and what to do then. Each error is told once: below, where its object is listed. */
export function outcomeText(now: TransformBody, items: readonly TransformObjectBody[], isResumed: boolean): string {
  const { started_at: started, ended_at: ended } = now;
  const took = started === null || ended === null ? null : msText(Date.parse(ended) - Date.parse(started));
  const failed = items.filter(({ state, note }) => state === 'failed' && note !== null);
  const [first] = failed;
  // A long reason is cut, within the note of its first object at the earliest.
  const isToldBelow = failed.length === now.objects_failed && first !== undefined && (now.reason ?? '').includes(`: ${first.name}: `);
  const objects = `${now.objects_done} of ${now.objects}`;
  const text = fields([
    ['transform', now.name],
    ['state', now.state],
    ['reason', isToldBelow ? null : now.reason],
    ['objects', now.objects_failed > 0 ? `${objects}, ${now.objects_failed} failed` : objects],
    ['records', now.records_skipped > 0 ? `${now.records}, ${now.records_skipped} left out` : now.records],
    // From the first start on, also while it stood still: how long it was gone on with the line above tells.
    isResumed ? ['in all', took === null ? null : `${took}, pauses included`] : ['took', took],
    ['rows a run', now.batch_rows],
    ['results', now.output],
  ]);
  const notes = items.filter(({ note }) => note !== null).map(({ name, note }) => `${name}: ${note}\n`);
  return `${text}${notes.join('')}${adviceText(now)}`;
}

/** Nobody knows whether the data or the settings are wrong, so both ways are told; what was stopped has neither. */
function adviceText({ name, state }: TransformBody): string {
  if (state === 'Completed') return '';
  const again = `penstock transform --resume ${shellQuoted(name)}`;
  if (state !== 'Failed') return `${again} goes on\n`;
  return `where its settings are wrong, begin a new transform; where its data or places are mended: ${again}\n`;
}
