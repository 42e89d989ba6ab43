/** `penstock pipeline apply | plan | list | describe | run | runs | stop | enable | disable | delete`: the loop from training to deployment. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { parseDocument } from 'yaml';
import type { PipelineBody, PipelineDetailBody, PipelinePlanBody, PipelineRunBody, StartedRunBody } from '../../../api/index.ts';
import { messageOf } from '../../../errors.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { formBody, type SentPart } from '../../client/form-body.ts';
import { utcText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { followRun, runPath } from '../../training/follow-run.ts';
import { describePipeline, describeRun, pipelinesTable, runsTable } from '../../training/format-run.ts';
import { readTrainFolder, readTrainSource, sourcePart, type TrainSource } from '../../training/train-inputs.ts';
import { type CommonOptions, pairs, type VerbSession, verb, verbGroup, wholeNumber } from '../../verb.ts';

interface RunOptions extends CommonOptions {
  readonly parameter?: Record<string, string>;
  readonly detach: boolean;
}

interface RunsOptions extends CommonOptions {
  readonly limit: number;
}

const fileBytesMax = 64 * 1024;

export function addPipeline(program: Command, context: CliContext): void {
  const group = verbGroup(program, 'pipeline', 'train, evaluate, approve if better and roll out, by one file and its triggers');
  addFileVerbs(group, context);
  verb(group, context, 'list', 'list the pipelines with their last runs').runs(async (session) => {
    const items = await (await session.client()).all<PipelineBody>('/pipelines');
    const text =
      items.length === 0 ? 'no pipelines yet: apply a file with `penstock pipeline apply FILE`\n' : pipelinesTable(items, session.style);
    session.print({ items }, text);
    return 0;
  });
  verb(group, context, 'describe <pipeline>', 'show a pipeline and its last run').runs(async (session, _options, name: string) => {
    const pipeline = await (await session.client()).get<PipelineDetailBody>(pipelinePath(name));
    session.print(pipeline, describePipeline(pipeline, session.style));
    return 0;
  });
  addRunVerbs(group, context);
  for (const word of ['enable', 'disable'] as const) {
    const summary = word === 'enable' ? 'let the triggers of a pipeline start runs' : 'let a pipeline run only by hand';
    verb(group, context, `${word} <pipeline>`, summary).runs(async (session, _options, name: string) => {
      const pipeline = await (await session.client()).post<PipelineDetailBody>(`${pipelinePath(name)}/${word}`, { json: {} });
      session.print(pipeline, `${pipeline.name} is ${word}d\n`);
      return 0;
    });
  }
  verb(group, context, 'delete <pipeline>', 'delete a pipeline with its runs; what they made stays').runs(
    async (session, _options, name: string) => {
      await (await session.client()).delete(pipelinePath(name));
      session.print({ deleted: name }, `${name} was deleted\n`);
      return 0;
    },
  );
}

function addFileVerbs(group: Command, context: CliContext): void {
  verb(group, context, 'apply <file>', 'store a file with its code as the next revision of its pipeline').runs(
    async (session, _options, path: string) => {
      const pipeline = await send<PipelineDetailBody>(await session.client(), '/pipelines', path);
      const next = pipeline.next_due_at === null ? '' : `, next run ${utcText(pipeline.next_due_at)}`;
      session.print(
        pipeline,
        `${pipeline.name} is at revision ${pipeline.revision}: ${pipeline.steps.join(' -> ')}${next}\nnext: penstock pipeline run ${pipeline.name}\n`,
      );
      return 0;
    },
  );
  verb(group, context, 'plan <file>', 'check a file, and show what its next run would do').runs(async (session, _options, path: string) => {
    const plan = await send<PipelinePlanBody>(await session.client(), '/plan/pipeline', path);
    const steps = table(plan.steps, [
      { title: 'STEP', cell: ({ step }) => step },
      { title: 'WOULD', cell: ({ text }) => text },
    ]);
    const due = plan.next_due_at === null ? '' : `the schedule is due next at ${utcText(plan.next_due_at)}\n`;
    session.print(plan, `${steps}${due}`);
    return 0;
  });
}

function addRunVerbs(group: Command, context: CliContext): void {
  verb(group, context, 'run <pipeline>', 'start a run, and follow it; Ctrl-C detaches')
    .with((command) =>
      command
        .option('--parameter <key=value>', 'value of a parameter of the file; may be repeated', pairs)
        .option('--detach', 'return at once, while it runs', false),
    )
    .runs(async (session, { parameter, detach }: RunOptions, name: string) => {
      const client = await session.client();
      const started = await client.post<StartedRunBody>(runPath(name), { json: { parameters: parameter ?? {} } });
      if (started.run === null) {
        session.print(started, `${name} runs already: the next run starts after it\n`);
        return 0;
      }
      if (detach) {
        session.print(started.run, `${started.run.name} runs: see it with penstock pipeline runs ${name} ${started.run.number}\n`);
        return 0;
      }
      const over = await followRun(session, client, started.run);
      return over === null ? 1 : reportRun(session, over);
    });
  verb(group, context, 'runs <pipeline> [run]', 'list the runs of a pipeline, newest first, or show one')
    .with((command) => command.option('-n, --limit <number>', 'maximum number to show', wholeNumber(1, 500), 20))
    .runs(async (session, { limit }: RunsOptions, name: string, number: string | undefined) => {
      const client = await session.client();
      if (number !== undefined) {
        const run = await client.get<PipelineRunBody>(runPath(name, runNumber(number)));
        session.print(run, describeRun(run, session.style));
        return 0;
      }
      const { items } = await client.get<{ items: readonly PipelineRunBody[] }>(runPath(name), { query: { limit } });
      session.print({ items }, items.length === 0 ? `${name} has not run yet\n` : runsTable(items, session.style));
      return 0;
    });
  verb(group, context, 'stop <pipeline> <run>', 'stop a run with its training job or evaluation').runs(
    async (session, _options, name: string, number: string) => {
      const run = await (await session.client()).post<PipelineRunBody>(`${runPath(name, runNumber(number))}/stop`, { json: {} });
      session.print(run, `${run.name} is ${session.style.state(run.state)}\n`);
      return 0;
    },
  );
}

/** Exit code 1 unless the run completed. */
function reportRun(session: VerbSession, run: PipelineRunBody): number {
  const outcome = run.steps.findLast(({ state, note }) => note !== null && state !== 'Skipped')?.note ?? run.state;
  session.print(run, run.state === 'Completed' ? `${run.name} completed: ${outcome}\n` : '');
  if (run.state === 'Completed') return 0;
  throw new CliError(`${run.name} is ${run.state}: ${run.reason ?? outcome}`);
}

function pipelinePath(name: string): string {
  return `/pipelines/${pathSegment(name)}`;
}

function runNumber(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new CliError(`expected the number of a run, such as 12, got '${text.slice(0, 80)}'`, 2);
}

/** Sends the file, and the folder or script that its `train.source` names, relative to the file. */
async function send<Body>(client: Client, path: string, file: string): Promise<Body> {
  const text = await textOf(file);
  const parts: SentPart[] = [{ name: 'file', content: text }];
  const source = trainMember(text, 'source');
  if (source !== null) {
    const found = await readSource(resolve(dirname(file), source), trainMember(text, 'entry'));
    parts.push(sourcePart(found));
    if (found.git !== null) parts.push({ name: 'git', content: JSON.stringify(found.git) });
  }
  return client.post<Body>(path, formBody(parts));
}

/** A script, or a folder; a folder whose command is not a script needs no entry. */
async function readSource(at: string, entry: string | null): Promise<TrainSource> {
  const isFolder = (await stat(at).catch(() => null))?.isDirectory() === true;
  return entry === null && isFolder ? readTrainFolder(at) : readTrainSource(at, isFolder && entry !== null ? entry : undefined);
}

async function textOf(file: string): Promise<string> {
  try {
    const at = await stat(file);
    if (!at.isFile()) throw new CliError(`${file} is not a file: expected the YAML of a pipeline`, 2);
    if (at.size > fileBytesMax) throw new CliError(`${file} is larger than ${fileBytesMax / 1024} KiB: expected the YAML of a pipeline`, 2);
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    const exists = (cause as NodeJS.ErrnoException).code !== 'ENOENT';
    throw new CliError(exists ? `cannot read ${file}: ${messageOf(cause)}` : `there is no file ${file}`, 2, { cause });
  }
}

/** A member of `train`, if the file has one: the server checks all else. */
function trainMember(text: string, name: string): string | null {
  const value: unknown = parseDocument(text, { logLevel: 'silent' }).getIn(['train', name]);
  return typeof value === 'string' ? value : null;
}
