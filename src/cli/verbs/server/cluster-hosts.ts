/** `penstock cluster drain`, `cordon` and `uncordon`. */
import type { Command } from 'commander';
import type { HostDetailBody } from '../../../api/index.ts';
import { parseDurationMs } from '../../../objective.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { pause } from '../../client/pause.ts';
import { hostLine, hostLoadText, hostText } from '../../output/cluster-text.ts';
import { Progress } from '../../output/progress.ts';
import { type CommonOptions, parsedBy, type VerbSession, verb } from '../../verb.ts';
import { drainSelf } from './drain-self.ts';

interface DrainOptions extends CommonOptions {
  readonly self?: boolean;
  readonly wait: boolean;
  /** Milliseconds. */
  readonly within?: number;
}

const pollMs = 500;
const namedMax = 5;

export function addHostVerbs(cluster: Command, context: CliContext): void {
  verb(cluster, context, 'drain', 'move the workers of a host to other hosts, and wait until it has none, and no tasks')
    .with((command) =>
      command
        .argument('[host]')
        .option('--self', 'the node or host of --data-dir on this machine: it ends once what it serves has moved')
        .option('--no-wait', 'return at once')
        .option(
          '--within <time>',
          'fail if workers or tasks are left after this time, such as 5m; the host keeps draining',
          parsedBy(parseDurationMs),
        ),
    )
    .runs(async (session, { self = false, wait, within = Number.POSITIVE_INFINITY }: DrainOptions, name?: string) => {
      if (self !== (name === undefined)) throw new CliError('expected the name of a host, or --self, and not both');
      if (name === undefined) {
        const drainedSelf = await drainSelf(session, wait, within);
        session.print(drainedSelf, `process ${drainedSelf.pid} ${drainedSelf.ended ? 'has ended' : 'drains'}\n`);
        return 0;
      }
      const client = await session.client();
      const first = await client.post<HostDetailBody>(`${pathOf(name)}/drain`);
      const host = wait ? await drained(session, client, first, within) : first;
      session.print(host, hostLine(host));
      return 0;
    });
  for (const { word, summary } of [
    { word: 'cordon', summary: 'start no more workers on a host; those on it stay' },
    { word: 'uncordon', summary: 'let a host take workers again' },
  ]) {
    verb(cluster, context, word, summary)
      .with((command) => command.argument('<host>'))
      .runs(async (session, _options: CommonOptions, name: string) => {
        const client = await session.client();
        const host = await client.post<HostDetailBody>(`${pathOf(name)}/${word}`);
        session.print(host, `${hostLine(host)}\n${hostText(host)}`);
        return 0;
      });
  }
}

function pathOf(name: string): string {
  return `/cluster/hosts/${pathSegment(name)}`;
}

/** Shows what is left on the host until nothing is. The host keeps draining if the verb is interrupted. */
async function drained(session: VerbSession, client: Client, first: HostDetailBody, withinMs: number): Promise<HostDetailBody> {
  const { context } = session;
  const untilMs = context.clock.nowMs() + withinMs;
  const progress = session.wantsJson ? null : new Progress(context);
  let host = first;
  progress?.stage('drain', leftText(host));
  try {
    while (!isEmpty(host)) {
      if (context.clock.nowMs() >= untilMs) throw new CliError(`${leftText(host)}; ${keepsDraining(host)}`);
      await pause(context.clock, pollMs, context.interrupted);
      host = await client.get<HostDetailBody>(pathOf(host.name));
      if (host.state !== 'draining' && host.state !== 'lost')
        throw new CliError(`${host.name} does not drain any more: it is ${host.state}`);
      progress?.write(leftText(host));
    }
  } catch (error) {
    progress?.fail();
    if (context.interrupted.aborted) session.remark(keepsDraining(host));
    throw error;
  }
  progress?.done(leftText(host));
  return host;
}

function keepsDraining({ name }: HostDetailBody): string {
  return `${name} keeps draining: stop that with \`penstock cluster uncordon ${name}\``;
}

function isEmpty({ workers, tasks }: HostDetailBody): boolean {
  return workers.length + tasks.length === 0;
}

/** `2 workers and 1 task left on h1: a, b, digits-7; a waits: no host has room`. */
function leftText(host: HostDetailBody): string {
  const { name, workers, tasks, blocked } = host;
  if (isEmpty(host)) return `${name} has no workers and no tasks`;
  const names = [...workers.map(({ id }) => id), ...tasks.map(({ job }) => job)];
  const more = names.length > namedMax ? ', …' : '';
  const [waiting] = blocked;
  const why = waiting === undefined ? '' : `; ${waiting.worker} waits: ${waiting.reason}`;
  return `${hostLoadText(host)} left on ${name}: ${names.slice(0, namedMax).join(', ')}${more}${why}`;
}
