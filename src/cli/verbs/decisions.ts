/** `penstock decisions`: what was chosen for an endpoint, its batches or the number of its instances, why, and what came of it. */
import type { Command } from 'commander';
import type {
  AnyDecisionBody,
  DecisionBody,
  EndpointBody,
  Page,
  PredictionBody,
  ScalingDecisionBody,
  SettingBody,
  UpdateBody,
} from '../../api/index.ts';
import { PlatformError } from '../../errors.ts';
import { type Client, part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { type Column, table } from '../table.ts';
import { updatesText } from '../updates-table.ts';
import { type CommonOptions, verb, wholeNumber } from '../verb.ts';
import { msText, shareText, timeText, usdText } from '../words.ts';

interface DecisionsOptions extends CommonOptions {
  readonly limit: number;
  readonly now: boolean;
}

export function addDecisions(program: Command, doors: Doors): void {
  verb(
    program,
    doors,
    'decisions [endpoint]',
    'show what was chosen for an endpoint, or for all, why, and what came of it; and how updates went',
  )
    .with((command) =>
      command
        .option('-n, --limit <number>', 'how many, the latest last', wholeNumber(1, 500), 10)
        .option('--now', 'have it decided anew at once; see the result by calling this again', false),
    )
    .runs(async (session, options: DecisionsOptions, endpoint: string | undefined) => {
      const client = await session.client();
      const of = endpoint === undefined ? '' : `/endpoints/${part(endpoint)}`;
      const path = `${of}/decisions`;
      if (options.now) {
        if (endpoint === undefined) throw new PlatformError('invalid_request', '--now decides for one endpoint: name it');
        const asked = await client.post<{ asked: boolean }>(path);
        session.print(asked, asked.asked ? `asked: see \`penstock decisions ${endpoint}\`\n` : await idleText(client, endpoint));
        return 0;
      }
      const { items } = await client.get<Page<AnyDecisionBody>>(path, { query: { limit: options.limit } });
      const { items: updates } = await client.get<Page<UpdateBody>>(`${of}/updates`, { query: { limit: options.limit } });
      const several = endpoint === undefined;
      const texts = [allText(items.toReversed(), several), updatesText(updates.toReversed(), several)];
      const text = texts.filter((each) => each !== '').join('\n');
      session.print({ decisions: items, updates }, text === '' ? nothingText(endpoint) : text);
      return 0;
    });
}

/** How a setting lets requests wait: `slack`, `20 ms`, and nothing where nobody does. */
export function waitText({ batch_size_max: rows, wait_ms_max: waitMs }: SettingBody): string | null {
  if (rows === 1 || waitMs === 0) return null;
  return waitMs === null ? 'slack' : msText(waitMs);
}

/** With the endpoint of each where they are those of `several`. */
function allText(decisions: readonly AnyDecisionBody[], several: boolean): string {
  const batching = decisions.filter((decision) => decision.kind === 'batching');
  const scaling = decisions.filter((decision) => decision.kind === 'scaling');
  return [decisionsText(batching, several), scalingText(scaling, several)].filter((text) => text !== '').join('\n');
}

/** How many instances there were to be; what had come in a slot, and what came of it. */
function scalingText(decisions: readonly ScalingDecisionBody[], several: boolean): string {
  const planned = ({ chosen }: ScalingDecisionBody) => Object.values(chosen.plan).reduce((sum, count) => sum + count, 0);
  const had = ({ inputs }: ScalingDecisionBody) =>
    Object.values(inputs.types).reduce((sum, { active, launching }) => sum + active + launching, 0);
  const inTime = ({ effect, effect_unknown: unknown }: ScalingDecisionBody) =>
    unknown !== null ? 'unknown' : effect === null || effect.attainment === null ? null : shareText(effect.attainment);
  return table(decisions, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'ENDPOINT', cell: ({ endpoint }) => (several ? endpoint : null) },
    { title: 'ASKED BY', cell: ({ trigger }) => trigger },
    { title: 'CAME', cell: ({ inputs }) => inputs.last_count, align: 'right' },
    { title: 'HAD', cell: had, align: 'right' },
    { title: 'INSTANCES', cell: planned, align: 'right' },
    { title: 'IN TIME', cell: inTime, align: 'right' },
    { title: 'SPENT/H', cell: spentPerHour, align: 'right' },
    { title: 'WHY', cell: ({ explanation }) => explanation },
  ]);
}

/** Some slots go by until an effect is known, more or fewer as instances start, and those of the next decisions among them: no sum is made of these. */
function spentPerHour({ effect }: ScalingDecisionBody): string | null {
  return effect === null || effect.window_s === 0 ? null : usdText((effect.spent_usd * 3600) / effect.window_s);
}

function decisionsText(decisions: readonly DecisionBody[], several: boolean): string {
  const predicted = ({ alternatives }: DecisionBody) => alternatives.find(({ label }) => label === 'chosen')?.predicted;
  const rate = ({ inputs: { arrivals } }: DecisionBody) => Math.round(10 * arrivals.rate_per_second) / 10;
  const usd = (value: number | undefined): string | null => (value === undefined ? null : usdText(value));
  return table(decisions, [
    { title: 'WHEN (UTC)', cell: ({ at }) => timeText(at) },
    { title: 'ENDPOINT', cell: ({ endpoint }) => (several ? endpoint : null) },
    { title: 'ASKED BY', cell: ({ trigger }) => trigger },
    { title: 'ROWS/S', cell: rate, align: 'right' },
    { title: 'MEMORY', cell: ({ chosen }) => `${chosen.memory_mib} MiB`, align: 'right' },
    { title: 'B', cell: ({ chosen }) => chosen.batch_size_max, align: 'right' },
    { title: 'WAIT', cell: ({ chosen }) => waitText(chosen), align: 'right' },
    ...percentilesOf(decisions).flatMap((percentile) => percentileColumns(percentile, predicted)),
    { title: 'COST/M ROWS', cell: (decision) => usd(predicted(decision)?.cost_usd_per_million), align: 'right' },
    { title: 'COST/M ROWS MEASURED', cell: ({ effect }) => usd(effect?.cost_usd_per_million), align: 'right' },
    { title: 'WHY', cell: ({ explanation }) => explanation },
  ]);
}

/** Why there is nothing to decide. */
async function idleText(client: Client, endpoint: string): Promise<string> {
  const { status, name } = await client.get<EndpointBody>(`/endpoints/${part(endpoint)}`);
  if (status === 'Unloaded') return `nothing is decided while ${name} is unloaded: \`penstock load ${name}\` serves it again\n`;
  return `there is nothing to decide for ${name}: decisions are made for variants that are serverless or scale, once their model is measured\n`;
}

/** Of those that are predicted, the percentiles nearest to what was promised. */
function percentilesOf(decisions: readonly DecisionBody[]): readonly Percentile[] {
  const promised = decisions.map(({ inputs: { objective } }) => Number(/^p([\d.]+)/.exec(objective ?? '')?.[1] ?? 95));
  const wanted = promised.map((percentile): Percentile => (percentile >= 98 ? 99 : percentile <= 70 ? 50 : 95));
  return ([50, 95, 99] as const).filter((percentile) => wanted.includes(percentile));
}

type Percentile = 50 | 95 | 99;

function percentileColumns(
  percentile: Percentile,
  predicted: (decision: DecisionBody) => PredictionBody | undefined,
): Column<DecisionBody>[] {
  const text = (of: PredictionBody | null | undefined) => (of === null || of === undefined ? null : msText(of[`p${percentile}_ms`]));
  return [
    { title: `P${percentile}`, cell: (decision) => text(predicted(decision)), align: 'right' },
    { title: `P${percentile} MEASURED`, cell: ({ effect }) => text(effect), align: 'right' },
  ];
}

function nothingText(endpoint: string | undefined): string {
  return `nothing was decided${endpoint === undefined ? '' : ` for ${endpoint}`} yet: decisions are made for variants that are serverless or scale, once their model is measured\n`;
}
