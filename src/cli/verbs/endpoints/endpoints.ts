/** `penstock endpoints` and `penstock delete`. */
import type { Command } from 'commander';
import type { EndpointBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { pathSegment } from '../../client/client.ts';
import { versionUrlPath } from '../../models/model-source.ts';
import { countText, shortened, timeText, utcText } from '../../output/format.ts';
import { formatInTime, formatStatus } from '../../output/format-objective.ts';
import { readyText, typeText } from '../../output/format-variant.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, verb } from '../../verb.ts';

interface DeleteOptions extends CommonOptions {
  readonly group: boolean;
  readonly yes: boolean;
}

export function addEndpoints(program: Command, context: CliContext): void {
  verb(program, context, 'endpoints', 'list the endpoints').runs(async (session) => {
    const endpoints = await (await session.client()).all<EndpointBody>('/endpoints');
    if (endpoints.length === 0) session.remark('there are no endpoints: try `penstock deploy catalogue:digits-mlp digits --approve`');
    const note = endpoints[0]?.notes.find((each) => each.startsWith('the database has not answered'));
    if (note !== undefined) session.remark(`note: ${note}`);
    const ofAll = (view: EndpointBody, read: (variant: EndpointBody['variants'][number]) => string) => view.variants.map(read).join(', ');
    session.print(
      endpoints,
      table(endpoints, [
        { title: 'ENDPOINT', cell: (view) => view.name },
        { title: 'STATUS', cell: (view) => formatStatus(view, session.style) },
        { title: 'MODEL', cell: (view) => ofAll(view, (variant) => variant.model) },
        { title: 'READY', cell: (view) => ofAll(view, readyText), align: 'right' },
        { title: 'TYPE', cell: (view) => ofAll(view, typeText) },
        { title: 'OBJECTIVE', cell: (view) => view.objective },
        { title: 'IN TIME', cell: (view) => formatInTime(view, session.style), align: 'right' },
        { title: 'UPDATED (UTC)', cell: (view) => timeText(view.updated_at) },
        { title: 'REASON', cell: (view) => shortened(view.reason ?? '', 60) },
      ]),
    );
    return 0;
  });
}

export function addDelete(program: Command, context: CliContext): void {
  verb(program, context, 'delete <endpoint|group/version>', 'delete an endpoint, an unused model version, or an empty group')
    .with((command) =>
      command
        .option('--group', 'delete the empty model group of this name', false)
        .option('-y, --yes', 'delete a serving endpoint without a prompt; there is a prompt only on a terminal', false),
    )
    .runs(async (session, options: DeleteOptions, name: string) => {
      const isEndpoint = !options.group && !name.includes('/');
      const path = options.group ? `/groups/${pathSegment(name)}` : isEndpoint ? `/endpoints/${pathSegment(name)}` : versionUrlPath(name);
      const client = await session.client();
      if (isEndpoint && !options.yes && isInteractive(session.context)) {
        const question = questionAbout(await client.get<EndpointBody>(path));
        if (question !== null && !(await confirmed(session.context, question))) {
          session.remark(`${name} was not deleted`);
          return 1;
        }
      }
      await client.delete(path);
      session.print({ deleted: name }, `${name} ${isEndpoint ? 'is being' : 'was'} deleted\n`);
      return 0;
    });
}

const servingStatuses: readonly EndpointBody['status'][] = ['InService', 'Updating', 'RollingBack'];

/** Null if the endpoint serves nothing. */
function questionAbout({ name, status, variants }: EndpointBody): string | null {
  if (!servingStatuses.includes(status)) return null;
  const served = variants.map(({ model, statistics }) =>
    statistics === null ? model : `${model}, ${countText(statistics.requests, 'request')} answered since ${utcText(statistics.since)}`,
  );
  return `${name} is ${status} (${served.join('; ')}). Its clients will get errors. Delete it?`;
}

/** Whether a person can be asked: input and messages are a terminal. */
function isInteractive({ stdin, stderr }: Pick<CliContext, 'stdin' | 'stderr'>): boolean {
  return stdin.isTTY === true && stderr.isTTY === true;
}

/** Asks on stderr. Only `y` or `yes` is a yes; Ctrl-C and the end of the input are a no. */
async function confirmed({ stdin, stderr, interrupted }: CliContext, question: string): Promise<boolean> {
  stderr.write(`${question} [y/N] `);
  const answer = await Promise.race([firstLine(stdin), aborted(interrupted)]);
  if (answer === null) stderr.write('\n');
  return /^y(es)?$/i.test((answer ?? '').trim());
}

async function firstLine(stdin: CliContext['stdin']): Promise<string | null> {
  let text = '';
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.includes('\n')) return text.slice(0, text.indexOf('\n'));
  }
  return text === '' ? null : text;
}

function aborted(signal: AbortSignal): Promise<null> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(null);
    else signal.addEventListener('abort', () => resolve(null), { once: true });
  });
}
