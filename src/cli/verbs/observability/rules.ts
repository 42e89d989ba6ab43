/** `penstock rules list | set | delete | deliveries | test`: event rules, their undelivered events, and tests of patterns. */
import { readFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { DeliveryBody, PageBody, RuleBody } from '../../../api/index.ts';
import { messageOf } from '../../../errors.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { addressList } from '../../options/parsed-values.ts';
import { timeText } from '../../output/format.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, type VerbSession, verb, verbGroup, wholeNumber } from '../../verb.ts';

interface DeliveriesOptions extends CommonOptions {
  readonly limit: number;
}

interface TestOptions extends CommonOptions {
  readonly pattern: string;
  readonly event: string;
}

export function addRules(program: Command, context: CliContext): void {
  const rules = verbGroup(program, 'rules', 'show, create, change and delete event rules, show undelivered events, test patterns');
  verb(rules, context, 'list', 'list the rules with their targets and the number of waiting, failing and abandoned deliveries').runs(
    async (session) => {
      const items = await (await session.client()).all<RuleBody>('/rules');
      session.print(items, listText(session, items));
      return 0;
    },
  );
  addChanges(rules, context);
  verb(rules, context, 'deliveries [rule]', 'list undelivered events of a rule or all, with reasons; the latest first')
    .with((command) => command.option('-n, --limit <number>', 'maximum number to show', wholeNumber(1, 500), 50))
    .runs(async (session, { limit }: DeliveriesOptions, rule: string | undefined) => {
      const client = await session.client();
      const { items } = await client.get<PageBody<DeliveryBody>>('/rules/deliveries', { query: { rule, limit } });
      if (items.length === 0 && rule !== undefined) await checkExists(client, rule);
      session.print(items, deliveriesText(session, items, rule));
      return 0;
    });
  verb(
    rules,
    context,
    'test',
    'test whether an event matches a pattern, without a server; exit code 1 if it does not, 2 if either is invalid',
  )
    .with((command) =>
      command
        .requiredOption('--pattern <json>', `an EventBridge pattern: '{"source": ["aws.sagemaker"]}'`)
        .requiredOption('--event <file>', 'the event as targets receive it, in JSON; - reads from stdin'),
    )
    .runs(async (session, { pattern, event }: TestOptions) => {
      const matches = await isMatch(pattern, await eventIn(event, session.context.stdin));
      session.print({ matches }, matches ? 'the event matches\n' : 'the event does not match\n');
      return matches ? 0 : 1;
    });
}

interface SetOptions extends CommonOptions {
  readonly pattern?: string;
  readonly to?: readonly string[];
  readonly description?: string;
  readonly enabled?: 'yes' | 'no';
}

function addChanges(rules: Command, context: CliContext): void {
  verb(rules, context, 'set <name>', 'create a rule, or change one; options that are not given keep their value')
    .with((command) =>
      command
        .option('--pattern <json>', `an EventBridge pattern: '{"source": ["aws.sagemaker"]}'; required for a new rule`)
        .option(
          '--to <address>',
          'a URL, or the ARN of a log group, to send events to, or none; may be repeated (default: none)',
          addressList,
        )
        .option('--description <text>', 'what it is for')
        .addOption(new Option('--enabled <answer>', 'whether it matches events (default: yes)').choices(['yes', 'no']))
        .addHelpText(
          'after',
          `
Example:
  penstock rules set failed --to https://example.org/hook \\
    --pattern '{"detail-type": ["SageMaker Endpoint State Change"], "detail": {"EndpointStatus": ["FAILED"]}}'`,
        ),
    )
    .runs(async (session, { pattern, to: targets, description, enabled }: SetOptions, name: string) => {
      const json = { pattern, targets, description, ...(enabled === undefined ? {} : { enabled: enabled === 'yes' }) };
      const rule = await (await session.client()).put<RuleBody>(`/rules/${pathSegment(name)}`, { json });
      const receivers = rule.targets.map(({ arn }) => arn).join(', ');
      session.print(
        rule,
        `${rule.name} is ${rule.state}: ${receivers === '' ? 'it has no target yet; add one with --to URL' : `sends to ${receivers}`}\n`,
      );
      return 0;
    });
  verb(rules, context, 'delete <name>', 'delete a rule and its targets').runs(async (session, _options, name: string) => {
    await (await session.client()).delete(`/rules/${pathSegment(name)}`);
    session.print({ deleted: name }, `${name} was deleted\n`);
    return 0;
  });
}

/** Throws if there is no such rule. Names with a space are not rules but actions of alarms and topics. */
async function checkExists(client: Client, rule: string): Promise<void> {
  if (rule.includes(' ')) return;
  const known = (await client.all<RuleBody>('/rules')).map(({ name }) => name);
  if (!known.includes(rule)) throw new CliError(`there is no rule '${rule}': see \`penstock rules list\``);
}

async function isMatch(pattern: string, event: unknown): Promise<boolean> {
  // Imported lazily: the other verbs do not need it.
  const { missingMember } = await import('../../../alerts/index.ts');
  const { compilePattern } = await import('../../../event-patterns/index.ts');
  const matches = compilePattern(pattern);
  const missing = missingMember(event);
  if (missing !== null) {
    throw new CliError(
      `the event has no ${missing}: expected an event as targets receive it, with id, account, source, time, region, resources, detail-type and detail`,
      2,
    );
  }
  return matches(event);
}

async function eventIn(path: string, stdin: CliContext['stdin']): Promise<unknown> {
  const chunks: Buffer[] = [];
  try {
    if (path === '-') for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array));
    else chunks.push(await readFile(path));
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code !== 'ENOENT';
    throw new CliError(exists ? `cannot read the event: ${messageOf(cause)}` : `there is no file ${path}`, 2, { cause });
  }
}

function listText({ style }: VerbSession, items: readonly RuleBody[]): string {
  if (items.length === 0) return 'there are no rules: create one with `penstock rules set`\n';
  const count = (number: number | undefined): number | null => (number === 0 ? null : (number ?? null));
  return table(rowsOf(items), [
    { title: 'RULE', cell: ({ rule }) => rule?.name ?? null },
    { title: 'STATE', cell: ({ rule }) => (rule === null ? null : style.state(rule.state)) },
    { title: 'WAITING', cell: ({ rule }) => count(rule?.deliveries.waiting), align: 'right' },
    { title: 'FAILING', cell: ({ rule }) => count(rule?.deliveries.failing), align: 'right' },
    { title: 'GIVEN UP', cell: ({ rule }) => count(rule?.deliveries.given_up), align: 'right' },
    { title: 'TARGET', cell: ({ target }) => target },
    { title: 'PATTERN', cell: ({ rule }) => (rule === null ? null : triggerText(rule)) },
    { title: 'FAULT', cell: ({ rule }) => rule?.fault ?? null },
  ]);
}

/** The pattern, the schedule, or both. */
function triggerText({ pattern, schedule }: RuleBody): string {
  return [pattern.replaceAll(/\s+/g, ' '), schedule ?? ''].filter((text) => text !== '').join(', or ');
}

/** A line for each target. The first also shows the rule. */
function rowsOf(items: readonly RuleBody[]): { readonly rule: RuleBody | null; readonly target: string | null }[] {
  return items.flatMap((rule) => {
    const [first = null, ...others] = rule.targets.map(({ id, arn }) => `${id} ${arn}`);
    return [{ rule, target: first }, ...others.map((target) => ({ rule: null, target }))];
  });
}

function deliveriesText({ style }: VerbSession, items: readonly DeliveryBody[], rule: string | undefined): string {
  if (items.length === 0) return rule === undefined ? 'all events were delivered\n' : `all events of ${rule} were delivered\n`;
  return table(items, [
    { title: 'SINCE (UTC)', cell: ({ created_at: at }) => timeText(at) },
    { title: 'RULE', cell: ({ rule: of }) => of },
    { title: 'TARGET', cell: ({ target }) => `${target.id} ${target.arn}` },
    { title: 'STATE', cell: ({ state }) => style.state(state.replace('_', ' ')) },
    { title: 'TRIES', cell: ({ attempts }) => attempts, align: 'right' },
    { title: 'NEXT (UTC)', cell: ({ state, next_at: at }) => (state === 'failing' ? timeText(at) : null) },
    { title: 'REASON', cell: ({ reason }) => reason },
  ]);
}
