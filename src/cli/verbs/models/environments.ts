/** `penstock environments create | list | describe | delete`: Python environments for models. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { EnvironmentBody, EnvironmentDetailBody } from '../../../api/index.ts';
import { messageOf } from '../../../errors.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { pause } from '../../client/pause.ts';
import { bytesText, countText, timeText } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { fields, table } from '../../output/table.ts';
import { type CommonOptions, type VerbSession, verb, verbGroup } from '../../verb.ts';

interface CreateOptions extends CommonOptions {
  readonly python?: string;
  readonly requirements?: string;
  readonly add?: readonly string[];
  readonly wait: boolean;
}

const pollEveryMs = 300;
const shownPackages = 40;

export function addEnvironments(program: Command, context: CliContext): void {
  const group = verbGroup(program, 'environments', 'create, list, show and delete Python environments for models');
  verb(
    group,
    context,
    'create <name>',
    'create an environment and wait until it is built; sklearn, pytorch, xgboost and python need no options',
  )
    .with((command) =>
      command
        .option('--requirements <file>', 'a requirements file: names of packages with versions; - reads from stdin')
        .option('--add <package>', 'a further package, such as numpy>=2; may be repeated', collected)
        .option('--python <interpreter>', 'name of an interpreter of config.json; for an admin on the machine of the server also a path')
        .option('--no-wait', 'return at once, while it is built'),
    )
    .runs(async (session, options: CreateOptions, name: string) => create(session, options, name));
  verb(group, context, 'list', 'list the environments').runs(async (session) => {
    const items = await (await session.client()).all<EnvironmentBody>('/environments');
    session.print(items, listText(session, items));
    return 0;
  });
  verb(group, context, 'describe <name>', 'show an environment: its packages, its users, and the end of a failed build').runs(
    async (session, _options, name: string) => {
      const found = await (await session.client()).get<EnvironmentDetailBody>(pathOf(name));
      session.print(found, describeText(session, found));
      return 0;
    },
  );
  verb(group, context, 'delete <name>', 'delete an environment; model versions that run in it keep their packages').runs(
    async (session, _options, name: string) => {
      await (await session.client()).delete(pathOf(name));
      session.print({ deleted: name }, `${name} was deleted\n`);
      return 0;
    },
  );
}

/** Collects the values of an option that may be repeated. */
function collected(word: string, all: readonly string[] | undefined): string[] {
  return [...(all ?? []), word];
}

function pathOf(name: string): string {
  return `/environments/${pathSegment(name)}`;
}

async function create(session: VerbSession, options: CreateOptions, name: string): Promise<number> {
  const { requirements: file, add: packages, python, wait } = options;
  const requirements = file === undefined ? undefined : await textOf(file, session.context.stdin);
  const client = await session.client();
  // A path is one of this machine, relative to this folder.
  const interpreter = python?.includes('/') ? resolve(python) : python;
  const created = await client.post<EnvironmentDetailBody>('/environments', {
    json: { name, requirements, packages, python: interpreter },
  });
  if (!wait) {
    session.print(created, `${name} is being built: see penstock environments describe ${name}\n`);
    return 0;
  }
  const built = await follow(session, client, created);
  session.print(built, built.state === 'ready' ? describeText(session, built) : '');
  if (built.state === 'ready') return 0;
  for (const line of built.lines) session.remark(`  ${line}`);
  throw new CliError(`${name} could not be built: ${built.reason ?? 'see its log'} (log group ${built.log_group ?? ''})`);
}

/** Waits for the end of a build. Ctrl-C ends the waiting, not the build. */
async function follow({ context }: VerbSession, client: Client, created: EnvironmentDetailBody): Promise<EnvironmentDetailBody> {
  const name = created.name ?? '';
  const progress = new Progress(context);
  progress.stage('building', `${name} with Python ${created.python_version}: ${countText(created.requirements.length, 'requirement')}`);
  for (let current = created; ; current = await client.get<EnvironmentDetailBody>(pathOf(name))) {
    if (current.state === 'ready')
      progress.done(`${name}: ${countText(current.packages ?? 0, 'package')}, ${bytesText(current.bytes ?? 0)}`);
    if (current.state === 'failed') progress.fail();
    if (current.state !== 'building') return current;
    await pause(context.clock, pollEveryMs, context.interrupted);
    if (context.interrupted.aborted)
      throw new CliError(`interrupted: the server continues to build ${name}; see penstock environments describe ${name}`);
  }
}

async function textOf(path: string, stdin: CliContext['stdin']): Promise<string> {
  try {
    if (path !== '-') return await readFile(path, 'utf8');
    let text = '';
    for await (const chunk of stdin) text += String(chunk);
    return text;
  } catch (cause) {
    throw new CliError(`cannot read the requirements: ${messageOf(cause)}`, 2, { cause });
  }
}

function listText({ style }: VerbSession, items: readonly EnvironmentBody[]): string {
  if (items.length === 0) return 'there are no environments: create one with `penstock environments create sklearn`\n';
  return table(items, [
    { title: 'NAME', cell: ({ name }) => name ?? '(of a model)' },
    { title: 'STATE', cell: ({ state }) => style.state(state) },
    { title: 'PYTHON', cell: ({ python_version: version }) => version },
    { title: 'PACKAGES', cell: ({ packages }) => packages, align: 'right' },
    { title: 'SIZE', cell: ({ bytes }) => (bytes === null ? null : bytesText(bytes)), align: 'right' },
    { title: 'USERS', cell: ({ users }) => users.length || null, align: 'right' },
    { title: 'LOCK', cell: ({ lock, kind }) => (kind === 'operator' ? 'config.json' : (lock?.slice(0, 12) ?? null)) },
    { title: 'USED (UTC)', cell: ({ used_at: at }) => timeText(at) },
    { title: 'REASON', cell: ({ reason }) => reason },
  ]);
}

function describeText({ style }: VerbSession, found: EnvironmentDetailBody): string {
  const { installed, users } = found;
  const more = installed.length > shownPackages ? `, and ${installed.length - shownPackages} more` : '';
  const packages = installed.slice(0, shownPackages).map(({ name, version }) => `${name} ${version}`);
  const text = fields([
    ['name', found.name],
    ['state', style.state(found.state)],
    ['reason', found.reason],
    ['python', [found.python_version, found.python].filter((part) => part !== null).join(', ')],
    ['requirements', found.requirements.join(', ') || null],
    ['packages', packages.length === 0 ? null : `${packages.join(', ')}${more}`],
    ['lock', found.lock],
    ['size', found.bytes === null ? null : bytesText(found.bytes)],
    ['users', users.join(', ') || 'none'],
    ['created', found.created_at === null ? null : `${timeText(found.created_at)} by ${found.created_by}`],
    ['used', found.used_at === null ? null : timeText(found.used_at)],
    ['log', found.log_group],
  ]);
  return found.lines.length === 0 ? text : `${text}\n${found.lines.map((line) => `  ${line}\n`).join('')}`;
}
