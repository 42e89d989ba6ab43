/** `penstock decisions`: the batching, scaling and selection decisions of endpoints with reasons and effects, and their updates. */
import type { Command } from 'commander';
import type { AnyDecisionBody, EndpointBody, PageBody, UpdateBody } from '../../../api/index.ts';
import { PlatformError } from '../../../errors.ts';
import type { CliContext } from '../../cli-context.ts';
import { type Client, type ClientQuery, pathSegment } from '../../client/client.ts';
import { pause } from '../../client/pause.ts';
import { addHistoryOptions, type HistoryOptions } from '../../options/history-options.ts';
import { allDecisionsText } from '../../output/decisions-table.ts';
import { timeText } from '../../output/format.ts';
import { type SteadyColumn, SteadyTable } from '../../output/table.ts';
import { formatUpdate, updatesText } from '../../output/updates-table.ts';
import { type VerbSession, verb } from '../../verb.ts';

interface DecisionsOptions extends HistoryOptions {
  readonly all: boolean;
  readonly now: boolean;
}

export function addDecisions(program: Command, context: CliContext): void {
  verb(program, context, 'decisions [endpoint]', 'show the decisions and updates of an endpoint or all, with reasons and effects')
    .with((command) =>
      addHistoryOptions(command, 'decisions')
        .option('--all', 'show each review that changed nothing, instead of one line for consecutive ones', false)
        .option('--now', 'request a new decision now; run this again to see it', false),
    )
    .runs(async (session, options: DecisionsOptions, endpoint: string | undefined) => {
      const client = await session.client();
      const of = endpoint === undefined ? '' : `/endpoints/${pathSegment(endpoint)}`;
      if (options.now) return decideNow(session, client, endpoint);
      if (options.follow) return follow(session, client, of, options);
      const limit = Math.max(1, options.tail);
      const [items, updates] = await read(client, of, { limit, folded: options.all ? undefined : true });
      const several = endpoint === undefined;
      const texts = [allDecisionsText(items.toReversed(), several), updatesText(updates.toReversed(), several)];
      const text = texts.filter((each) => each !== '').join('\n');
      session.print({ decisions: items, updates }, text === '' ? nothingText(endpoint) : text);
      return 0;
    });
}

async function decideNow(session: VerbSession, client: Client, endpoint: string | undefined): Promise<number> {
  if (endpoint === undefined) throw new PlatformError('invalid_request', '--now needs an endpoint: penstock decisions ENDPOINT --now');
  const requested = await client.post<{ asked: boolean }>(`/endpoints/${pathSegment(endpoint)}/decisions`);
  session.print(requested, requested.asked ? `requested: see \`penstock decisions ${endpoint}\`\n` : await idleText(client, endpoint));
  return 0;
}

const pollMs = 2000;
/** Read per poll: more than are made between two polls. */
const readAtOnce = 100;

interface Entry {
  readonly key: string;
  readonly at: string;
  readonly endpoint: string;
  readonly what: string;
  readonly text: string;
  readonly body: AnyDecisionBody | UpdateBody;
}

const columns: readonly SteadyColumn<Entry>[] = [
  { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at), width: 19 },
  { title: 'ENDPOINT', cell: ({ endpoint }) => endpoint, width: 16 },
  { title: 'WHAT', cell: ({ what }) => what, width: 13 },
  { title: 'WHY', cell: ({ text }) => text, width: 0 },
];

/** Prints decisions and updates as they are made, until interrupted. Reviews without a change only with `--all`. */
async function follow(session: VerbSession, client: Client, of: string, { tail, all }: DecisionsOptions): Promise<number> {
  const { stdout, clock, interrupted } = session.context;
  const latest = async (): Promise<Entry[]> => {
    const [items, updates] = await read(client, of, { limit: readAtOnce, changes: all ? undefined : true });
    return [...items.map(decisionEntry), ...updates.map(updateEntry)].toSorted((a, b) => a.at.localeCompare(b.at));
  };
  const steady = new SteadyTable(columns);
  const write = (entry: Entry): void => {
    stdout.write(session.wantsJson ? `${JSON.stringify(entry.body)}\n` : steady.lineOf(entry));
  };
  let last = await latest();
  if (!session.wantsJson) stdout.write(steady.titles);
  for (const entry of tail === 0 ? [] : last.slice(-tail)) write(entry);
  while (!interrupted.aborted) {
    await pause(clock, pollMs, interrupted);
    if (interrupted.aborted) break;
    const known = new Set(last.map(({ key }) => key));
    try {
      last = await latest();
    } catch (error) {
      if (interrupted.aborted) break;
      throw error;
    }
    for (const entry of last) if (!known.has(entry.key)) write(entry);
  }
  return 0;
}

async function read(client: Client, of: string, query: ClientQuery): Promise<[readonly AnyDecisionBody[], readonly UpdateBody[]]> {
  const { items } = await client.get<PageBody<AnyDecisionBody>>(`${of}/decisions`, { query });
  const { items: updates } = await client.get<PageBody<UpdateBody>>(`${of}/updates`, { query: { limit: query['limit'] } });
  return [items, updates];
}

function decisionEntry(body: AnyDecisionBody): Entry {
  const { id, at, endpoint, kind, explanation } = body;
  return { key: id, at, endpoint: endpoint ?? '', what: kind, text: explanation, body };
}

function updateEntry(body: UpdateBody): Entry {
  const { at, endpoint, what } = body;
  return { key: JSON.stringify(body), at, endpoint, what, text: formatUpdate(body), body };
}

/** Explains why there is nothing to decide. */
async function idleText(client: Client, endpoint: string): Promise<string> {
  const { status, name } = await client.get<EndpointBody>(`/endpoints/${pathSegment(endpoint)}`);
  if (status === 'Unloaded') return `no decisions are made while ${name} is unloaded: \`penstock load ${name}\` serves it again\n`;
  return `nothing to decide for ${name}: decisions are made for serverless or scaled variants, once their model is measured\n`;
}

function nothingText(endpoint: string | undefined): string {
  return `no decisions${endpoint === undefined ? '' : ` for ${endpoint}`} yet: they are made for serverless or scaled variants, once their model is measured, and for selections\n`;
}
