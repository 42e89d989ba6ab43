/** `penstock alarms list | set | delete`: alarms and their states, and alarms of your own. */
import { type Command, Option } from 'commander';
import type { AlarmBody, PageBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { dimensionsOfMetric } from '../../client/measured-names.ts';
import { addressList } from '../../options/parsed-values.ts';
import { timeText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, type VerbSession, verb, verbGroup } from '../../verb.ts';

interface ListOptions extends CommonOptions {
  readonly firing: boolean;
}

interface SetOptions extends CommonOptions {
  readonly when?: string;
  readonly endpoint?: string;
  readonly variant?: string;
  readonly namespace?: string;
  readonly missing?: string;
  readonly call?: readonly string[];
  readonly description?: string;
}

export function addAlarms(program: Command, context: CliContext): void {
  const alarms = verbGroup(program, 'alarms', 'show alarms, and create, change and delete your own');
  verb(alarms, context, 'list [endpoint]', 'list the alarms of an endpoint or all, those in ALARM first')
    .with((command) => command.option('--firing', 'only alarms in ALARM', false))
    .runs(async (session, { firing }: ListOptions, endpoint: string | undefined) => {
      const query = { endpoint, state: firing ? 'ALARM' : undefined };
      const { items } = await (await session.client()).get<PageBody<AlarmBody>>('/alarms', { query });
      session.print(items, alarmsText(session, items, endpoint, firing));
      return 0;
    });
  verb(alarms, context, 'set <name>', 'create an alarm on a metric, or change one; options that are not given keep their value')
    .with(addSetOptions)
    .runs(async (session, options: SetOptions, name: string) => {
      const client = await session.client();
      const json = { ...(await watchedBy(client, options)), ...settingsOf(options) };
      const alarm = await client.put<AlarmBody>(`/alarms/${pathSegment(name)}`, { json });
      session.print(alarm, `${alarm.name}: ${alarm.rule ?? 'an expression'}${calledText(alarm)}\n`);
      return 0;
    });
  verb(alarms, context, 'delete <name>', 'delete an alarm of your own').runs(async (session, _options, name: string) => {
    await (await session.client()).delete(`/alarms/${pathSegment(name)}`);
    session.print({ deleted: name }, `${name} was deleted\n`);
    return 0;
  });
}

function addSetOptions(command: Command): void {
  command
    .option(
      '--when <rule>',
      "the rule: 'p99 of Latency > 50 in 3 of 5 x 60s' fires if 3 of the last 5 minutes exceed it; required for a new alarm",
    )
    .option('--endpoint <name>', 'the endpoint whose metric it is; required for a new alarm')
    .option('--variant <name>', 'the variant, if the endpoint has several')
    .option('--namespace <name>', 'Penstock, or AWS/SageMaker for SageMaker metrics (default: Penstock)')
    .addOption(
      new Option('--missing <treatment>', 'how periods without data count (default: missing)').choices([
        'missing',
        'ignore',
        'breaching',
        'notBreaching',
      ]),
    )
    .option('--call <url>', 'a URL to call when it fires, or none; may be repeated (default: none)', addressList)
    .option('--description <text>', 'what it is for')
    .addHelpText(
      'after',
      `
Example:
  penstock alarms set slow --endpoint digits --when 'p99 of Latency > 50 in 3 of 5 x 60s' --call https://example.org/hook`,
    );
}

/** The rule, and the dimensions of its metric if an endpoint is given. Throws `CliError` for a metric that the endpoint does not have. */
async function watchedBy(client: Client, { when: rule, endpoint, variant, namespace }: SetOptions): Promise<Record<string, unknown>> {
  if (endpoint === undefined) {
    if (variant !== undefined) throw new CliError('--variant needs --endpoint: add --endpoint NAME', 2);
    return { rule, namespace };
  }
  const name = /^\s*\S+\s+of\s+(.+?)\s*[<>]/i.exec(rule ?? '')?.[1];
  // The server says what is wrong with the rule.
  if (name === undefined) return { rule, endpoint, variant, namespace };
  return { rule, namespace, dimensions: await dimensionsOfMetric(client, endpoint, { variant, name, namespace }) };
}

function settingsOf({ missing, call, description }: SetOptions): Record<string, unknown> {
  return { missing_data: missing, description, ...(call === undefined ? {} : { actions: { alarm: call } }) };
}

function calledText({ actions: { alarm } }: AlarmBody): string {
  return alarm.length === 0 ? '' : `; calls ${alarm.join(', ')}`;
}

function alarmsText({ style }: VerbSession, items: readonly AlarmBody[], endpoint: string | undefined, isRinging: boolean): string {
  const owner = endpoint === undefined ? '' : ` of ${endpoint}`;
  if (items.length === 0)
    return isRinging ? `no alarms${owner} are in ALARM\n` : `there are no alarms${owner} yet: every endpoint gets default alarms\n`;
  return table(items, [
    { title: 'ALARM', cell: ({ name }) => name },
    { title: 'STATE', cell: ({ state }) => style.state(state) },
    { title: 'SINCE (UTC)', cell: ({ since }) => timeText(since) },
    { title: 'CONDITION', cell: ({ rule }) => rule },
    { title: 'CALLS', cell: ({ actions }) => actions.alarm.join(', ') },
    { title: 'REASON', cell: ({ reason }) => reason },
  ]);
}
