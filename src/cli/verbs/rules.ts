/** `penstock rules list | deliveries | test`: who is told of events, what has not arrived, and what a pattern matches. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { DeliveryBody, Page, RuleBody } from '../../api/index.ts';
import { messageOf } from '../../errors.ts';
import type { Client } from '../client.ts';
import type { Doors } from '../doors.ts';
import { Failure } from '../failure.ts';
import { table } from '../table.ts';
import { type CommonOptions, type Session, verb, verbGroup, wholeNumber } from '../verb.ts';
import { timeText } from '../words.ts';

interface DeliveriesOptions extends CommonOptions {
  readonly limit: number;
}

interface TestOptions extends CommonOptions {
  readonly pattern: string;
  readonly event: string;
}

export function addRules(program: Command, doors: Doors): void {
  const rules = verbGroup(program, 'rules', 'who is told of events, and what of it has not arrived');
  verb(rules, doors, 'list', 'show the rules, their targets, and how many deliveries wait, fail or were given up').runs(async (session) => {
    const items = await (await session.client()).all<RuleBody>('/rules');
    session.print(items, listText(session, items));
    return 0;
  });
  verb(rules, doors, 'deliveries [rule]', 'show what has not arrived, of a rule or all, and why; the latest first')
    .with((command) => command.option('-n, --limit <number>', 'how many', wholeNumber(1, 500), 50))
    .runs(async (session, { limit }: DeliveriesOptions, rule: string | undefined) => {
      const client = await session.client();
      const { items } = await client.get<Page<DeliveryBody>>('/rules/deliveries', { query: { rule, limit } });
      if (items.length === 0 && rule !== undefined) await mustBeThere(client, rule);
      session.print(items, deliveriesText(session, items, rule));
      return 0;
    });
  verb(
    rules,
    doors,
    'test',
    'tell whether an event matches a pattern, without any server; exit code 1 where it does not, 2 where it is none',
  )
    .with((command) =>
      command
        .requiredOption('--pattern <json>', `EventBridge's: '{"source": ["aws.sagemaker"]}'`)
        .requiredOption('--event <file>', 'the event as a target gets it, JSON; - reads from stdin'),
    )
    .runs(async (session, { pattern, event }: TestOptions) => {
      const matches = await isMatch(pattern, await eventIn(event, session.doors.stdin));
      session.print({ matches }, matches ? 'it matches\n' : 'it does not match\n');
      return matches ? 0 : 1;
    });
}

/** Of a name that is none nothing has arrived either. Actions of alarms and topics have names of two words. */
async function mustBeThere(client: Client, rule: string): Promise<void> {
  if (rule.includes(' ')) return;
  const known = (await client.all<RuleBody>('/rules')).map(({ name }) => name);
  if (!known.includes(rule)) throw new Failure(`there is no rule '${rule}': see \`penstock rules list\``);
}

async function isMatch(pattern: string, event: unknown): Promise<boolean> {
  // Loaded only here: the other verbs should not wait for it.
  const { compilePattern, missingMember } = await import('../../monitoring/index.ts');
  const matches = compilePattern(pattern);
  const missing = missingMember(event);
  if (missing !== null) {
    throw new Failure(
      `the event has no ${missing}: expected one as a target gets it, with id, account, source, time, region, resources, detail-type and detail`,
      2,
    );
  }
  return matches(event);
}

async function eventIn(path: string, stdin: Doors['stdin']): Promise<unknown> {
  const chunks: Buffer[] = [];
  try {
    if (path === '-') for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array));
    else chunks.push(await readFile(path));
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    const isThere = (cause as NodeJS.ErrnoException).code !== 'ENOENT';
    throw new Failure(isThere ? `the event cannot be read: ${messageOf(cause)}` : `there is no file ${path}`, 2, { cause });
  }
}

function listText({ style }: Session, items: readonly RuleBody[]): string {
  if (items.length === 0) return 'there are no rules: EventBridge\'s clients make them, after eval "$(penstock env)"\n';
  const count = (number: number | undefined): number | null => (number === 0 ? null : (number ?? null));
  return table(rowsOf(items), [
    { title: 'RULE', cell: ({ rule }) => rule?.name ?? null },
    { title: 'STATE', cell: ({ rule }) => (rule === null ? null : style.state(rule.state)) },
    { title: 'WAITING', cell: ({ rule }) => count(rule?.deliveries.waiting), align: 'right' },
    { title: 'FAILING', cell: ({ rule }) => count(rule?.deliveries.failing), align: 'right' },
    { title: 'GIVEN UP', cell: ({ rule }) => count(rule?.deliveries.given_up), align: 'right' },
    { title: 'TARGET', cell: ({ target }) => target },
    { title: 'PATTERN', cell: ({ rule }) => rule?.pattern.replaceAll(/\s+/g, ' ') ?? null },
    { title: 'FAULT', cell: ({ rule }) => rule?.fault ?? null },
  ]);
}

/** A line for each target; what is the rule's stands in the first. */
function rowsOf(items: readonly RuleBody[]): { readonly rule: RuleBody | null; readonly target: string | null }[] {
  return items.flatMap((rule) => {
    const [first = null, ...others] = rule.targets.map(({ id, arn }) => `${id} ${arn}`);
    return [{ rule, target: first }, ...others.map((target) => ({ rule: null, target }))];
  });
}

function deliveriesText({ style }: Session, items: readonly DeliveryBody[], rule: string | undefined): string {
  if (items.length === 0) return rule === undefined ? 'all has arrived\n' : `all of ${rule} has arrived\n`;
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
