/** The alarms that every endpoint has without anybody's asking: what they look at, and when they ring. */
import { budgetOf, type Objective, spokenMs } from '../../objective.ts';
import type { Predecessors } from '../records/predecessors.ts';
import type { MetricStore } from '../series/metric-store.ts';
import { ownSpans } from '../series/own-spans.ts';
import { penstockNamespace, placeOfVariant, sagemakerNamespace } from '../series/variant-series.ts';
import type { AlarmDefinition } from './alarm.ts';
import type { Alarms } from './alarms.ts';
import type { AlarmState } from './evaluate.ts';

export interface WatchedEndpoint {
  readonly name: string;
  readonly variants: readonly string[];
  /** Epoch milliseconds: what was measured before is another's, who had its name. */
  readonly createdAtMs: number;
  readonly objective: Objective | null;
  /** Epoch milliseconds: what was measured before was judged by another objective; infinite where nothing was by this one yet. */
  readonly objectiveSinceMs: number;
  /** Why it does not come into service, or its workers end again and again; null where all is well. */
  readonly trouble: string | null;
  /** How old the oldest request is that waits to be worked on asynchronously, and how old it may be; null where there is no such thing. */
  readonly backlog: { readonly oldestMs: number; readonly mostMs: number } | null;
  /** Of what comes to it, how many features drifted from its baseline, null where too little came to tell; nothing where it has none. */
  readonly drift?: { readonly drifted: number | null; readonly reason: string } | null;
}

/** Of answers or calls: how many there were, and how many of them were bad. */
export interface Share {
  readonly all: number;
  readonly bad: number;
}

export interface Ruling {
  readonly state: AlarmState;
  readonly reason: string;
}

export const defaultKinds = ['objective', 'errors', 'crash-loop', 'backlog-age', 'drift'] as const;
export type DefaultKind = (typeof defaultKinds)[number];

const minuteMs = 60_000;
/**
 * A long window tells that it matters, a short one that it is so now (Beyer et al., The Site Reliability Workbook, chapter 5, table 5-8). The
 * rates there are for a budget of 0.1 % that is to last for 30 days. Ours is to hold in any hour, and of p95 14.4 times as many as may be late
 * would be 72 %: so it rings at `beyond` of all answers more than may be late, where that is less.
 */
export const burns = [
  { longMs: 60 * minuteMs, shortMs: 5 * minuteMs, rate: 14.4, beyond: 0.05 },
  { longMs: 360 * minuteMs, shortMs: 30 * minuteMs, rate: 6, beyond: 0.025 },
] as const;
/** By so many answers more than may must be late: fewer may be chance, or one pause. */
const excessMin = { long: 10, short: 5 } as const;
/** Fewer calls than these say nothing of errors. */
const answersMin = 20;
const errorsMost = 0.05;
const errorWindows = { longMs: 5 * minuteMs, shortMs: minuteMs } as const;

/** The share of late answers from which on it rings. */
export function ringsFrom(budget: number, { rate, beyond }: Pick<(typeof burns)[number], 'rate' | 'beyond'>): number {
  return Math.min(rate * budget, budget + beyond);
}

/** Whether plainly more come late than may: `within` says what came within the last so many milliseconds. */
export function burnRuling(objective: Objective, within: (ms: number) => Share): Ruling {
  const budget = budgetOf(objective);
  const shareOf = ({ all, bad }: Share): number => (all === 0 ? 0 : bad / all);
  const excessOf = ({ all, bad }: Share): number => bad - budget * all;
  const said = (ms: number): string => {
    const { all, bad } = within(ms);
    return `${percent(shareOf({ all, bad }))} of the last ${ms / minuteMs} min (${bad} of ${all})`;
  };
  const may = `took longer than ${spokenMs(objective.latencyMs)}, where ${percent(budget)} may`;
  const calm: string[] = [];
  for (const { longMs, shortMs, ...burn } of burns) {
    const from = ringsFrom(budget, burn);
    const [long, short] = [within(longMs), within(shortMs)];
    if (shareOf(long) < from || shareOf(short) < from) continue;
    // Of a first burst all wait for workers that start, and for as long as nothing else came it would be all there is.
    const isBeginning = long.all === within(shortMs + minuteMs).all;
    if (isBeginning) calm.push(`all of them came within the last ${shortMs / minuteMs + 1} min, which does not ring yet`);
    else if (excessOf(long) < excessMin.long || excessOf(short) < excessMin.short) calm.push('so few do not ring');
    else {
      const reason = `${said(longMs)} and ${said(shortMs)} ${may}; it rings while both are ${percent(from)} or more`;
      return { state: 'ALARM', reason };
    }
  }
  return { state: 'OK', reason: [`${said(burns[0].longMs)} ${may}`, ...calm.slice(0, 1)].join('; ') };
}

/** A percentile has three decimals at most, so has what it leaves. */
function percent(share: number): string {
  return `${(100 * share).toFixed(share > 0 && share < 0.01 ? 3 : 1)} %`;
}

export function errorsRuling(within: (ms: number) => Share): Ruling {
  const [long, short] = [within(errorWindows.longMs), within(errorWindows.shortMs)];
  const said = ({ all, bad }: Share): string => `${bad} of ${all}`;
  const isBad = ({ all, bad }: Share): boolean => all >= answersMin && bad / all >= errorsMost;
  const reason = `of the calls of 5 min ${said(long)}, of 1 min ${said(short)} failed by the model's or our fault`;
  return { state: isBad(long) && short.bad / Math.max(short.all, 1) >= errorsMost ? 'ALARM' : 'OK', reason };
}

/** The definition that others see; it is judged here, not by its rule. */
export function defaultAlarm(endpoint: string, kind: DefaultKind): AlarmDefinition {
  const watched = {
    objective: 'plainly more answers are late than may be, over two windows',
    errors: 'calls fail by the fault of the model or of the platform',
    'crash-loop': 'it does not come into service, or its workers end again and again',
    'backlog-age': 'what waits to be worked on grows old',
    drift: 'what comes no longer looks like its baseline',
  } as const;
  const holders = {
    objective: 'Every endpoint with an objective',
    errors: 'Every endpoint',
    'crash-loop': 'Every endpoint',
    'backlog-age': 'Every endpoint that takes asynchronous requests',
    drift: 'Every endpoint with a baseline',
  } as const;
  return {
    name: defaultAlarmName(endpoint, kind),
    description: `Endpoint ${endpoint}: ${watched[kind]}. ${holders[kind]} has this alarm.`,
    rule: {
      comparison: 'GreaterThanOrEqualToThreshold',
      threshold: 1,
      evaluationPeriods: 1,
      datapointsToAlarm: 1,
      missingData: 'notBreaching',
    },
    periodS: 60,
    queries: [],
    actionsEnabled: true,
    actions: { OK: [], ALARM: [], INSUFFICIENT_DATA: [] },
  };
}

export function defaultAlarmName(endpoint: string, kind: DefaultKind): string {
  return `penstock/${endpoint}/${kind}`;
}

/** Of all alarms that an endpoint may have by itself, whether it has them or not. */
export function defaultAlarmNames(endpoint: string): string[] {
  return defaultKinds.map((kind) => defaultAlarmName(endpoint, kind));
}

export interface DefaultAlarmsOptions {
  readonly alarms: Pick<Alarms, 'get' | 'list' | 'put' | 'delete' | 'rule'>;
  readonly store: Pick<MetricStore, 'series' | 'lacksRoomFor'>;
  readonly endpoints: () => readonly WatchedEndpoint[];
  readonly predecessors: Pick<Predecessors, 'goneBefore'>;
  readonly wallMs: () => number;
}

/** Judges them all now; makes those of new endpoints, and removes those of endpoints that are gone. */
export async function lookAtDefaults(options: DefaultAlarmsOptions): Promise<void> {
  const endpoints = options.endpoints();
  const wanted = new Set<string>();
  for (const endpoint of endpoints) {
    for (const kind of defaultKinds) {
      if (!applies(endpoint, kind)) continue;
      const name = defaultAlarmName(endpoint.name, kind);
      wanted.add(name);
      if (options.alarms.get(name) === null) await options.alarms.put(defaultAlarm(endpoint.name, kind));
      const { state, reason } = await rulingOf(options, endpoint, kind);
      await options.alarms.rule(name, state, reason);
    }
  }
  const gone = options.alarms.list().filter(({ name }) => isDefault(name) && !wanted.has(name));
  if (gone.length > 0) await options.alarms.delete(gone.map(({ name }) => name));
}

export function isDefault(name: string): boolean {
  return name.startsWith('penstock/') && defaultKinds.some((kind) => name.endsWith(`/${kind}`));
}

function applies({ objective, backlog, drift = null }: WatchedEndpoint, kind: DefaultKind): boolean {
  if (kind === 'drift') return drift !== null;
  if (kind === 'objective') return objective !== null;
  return kind !== 'backlog-age' || backlog !== null;
}

async function rulingOf(options: DefaultAlarmsOptions, endpoint: WatchedEndpoint, kind: DefaultKind): Promise<Ruling> {
  if (kind === 'crash-loop') {
    return endpoint.trouble === null ? { state: 'OK', reason: 'its workers run' } : { state: 'ALARM', reason: endpoint.trouble };
  }
  if (kind === 'backlog-age') {
    const { oldestMs, mostMs } = endpoint.backlog ?? { oldestMs: 0, mostMs: 0 };
    const waits = oldestMs === 0 ? 'nothing waits' : `the oldest has waited for ${spokenMs(oldestMs)}`;
    const reason = `${waits}; more than ${spokenMs(mostMs)} would be too long`;
    return { state: oldestMs > mostMs ? 'ALARM' : 'OK', reason };
  }
  if (kind === 'drift') {
    const { drifted, reason } = endpoint.drift ?? { drifted: null, reason: 'there is no baseline' };
    if (drifted === null) return { state: 'INSUFFICIENT_DATA', reason };
    return { state: drifted > 0 ? 'ALARM' : 'OK', reason };
  }
  const blind =
    kind === 'objective'
      ? blindRuling(options.store, endpoint, penstockNamespace, 'ObjectiveMissed')
      : blindRuling(options.store, endpoint, sagemakerNamespace, 'Invocations');
  if (blind !== null) return blind;
  if (kind === 'objective') {
    const minutes = await minutesOf(options, endpoint, { ...missed, forMs: burns[1].longMs, sinceMs: endpoint.objectiveSinceMs });
    return burnRuling(endpoint.objective as Objective, withinOf(minutes, options.wallMs()));
  }
  const minutes = await minutesOf(options, endpoint, { ...failed, forMs: errorWindows.longMs, sinceMs: endpoint.createdAtMs });
  return errorsRuling(withinOf(minutes, options.wallMs()));
}

/** Where there was no room for what a variant measures, that nothing is known of it does not make it well. */
function blindRuling(
  store: Pick<MetricStore, 'lacksRoomFor'>,
  { name, variants }: WatchedEndpoint,
  namespace: string,
  metric: string,
): Ruling | null {
  const blind = variants.filter(
    (variant) => store.lacksRoomFor([{ place: placeOfVariant(namespace, name, variant), metric: { name: metric, unit: 'None' } }]) > 0,
  );
  if (blind.length === 0) return null;
  const whose = blind.map((variant) => `${name}/${variant}`).join(', ');
  return { state: 'INSUFFICIENT_DATA', reason: `nothing is kept of what ${whose} measures: there are too many different metrics` };
}

interface Minute extends Share {
  readonly atMs: number;
}

interface Measured {
  readonly namespace: string;
  readonly bad: readonly string[];
  readonly all: string;
  readonly forMs: number;
  /** Epoch milliseconds: since when it counts, no earlier than the endpoint was made. */
  readonly sinceMs: number;
}

const missed = { namespace: penstockNamespace, bad: ['ObjectiveMissed'], all: 'ObjectiveMissed' };
const failed = { namespace: sagemakerNamespace, bad: ['Invocation5XXErrors', 'InvocationModelErrors'], all: 'Invocations' };

/** The last `forMs` by minutes, of what has counted for less long what does, all variants together. */
async function minutesOf(
  { store, predecessors, wallMs }: DefaultAlarmsOptions,
  { name, variants, createdAtMs }: WatchedEndpoint,
  { namespace, bad, all, forMs, sinceMs }: Measured,
): Promise<Minute[]> {
  const nowMs = wallMs();
  let spans: ReturnType<typeof ownSpans> = [{ fromMs: floor(nowMs - forMs, minuteMs), toMs: nowMs, periodMs: minuteMs }];
  if (sinceMs > nowMs - forMs) {
    // Until its objective was changed, answers were judged by the one before.
    const othersUntilMs = sinceMs > createdAtMs ? sinceMs : await predecessors.goneBefore(name, createdAtMs);
    spans = ownSpans({ fromMs: sinceMs, othersUntilMs }, nowMs);
  }
  const minutes: Minute[] = [];
  for (const span of spans) {
    for (const variant of variants) {
      const place = placeOfVariant(namespace, name, variant);
      for (const { atMs, count } of await store.series({ place, name: all, ...span })) minutes.push({ atMs, all: count, bad: 0 });
      for (const metric of bad) {
        for (const { atMs, sum } of await store.series({ place, name: metric, ...span })) minutes.push({ atMs, all: 0, bad: sum });
      }
    }
  }
  return minutes;
}

function floor(atMs: number, periodMs: number): number {
  return Math.floor(atMs / periodMs) * periodMs;
}

function withinOf(minutes: readonly Minute[], nowMs: number): (ms: number) => Share {
  return (ms) => {
    const recent = minutes.filter(({ atMs }) => atMs > nowMs - ms - minuteMs);
    return { all: recent.reduce((sum, { all }) => sum + all, 0), bad: recent.reduce((sum, { bad }) => sum + bad, 0) };
  };
}
