/** The default alarms of every endpoint: what they evaluate and when they fire. */

import type { MetricStore } from '../../metrics/index.ts';
import { penstockNamespace, sagemakerNamespace, spansSince, variantMetricKey } from '../../metrics/index.ts';
import { approximateMs, budgetOf, type Objective } from '../../objective.ts';
import type { Predecessors } from '../../records/index.ts';
import type { AlarmDefinition } from './alarm.ts';
import type { Alarms } from './alarms.ts';
import { builtInAlarm } from './built-in-alarm.ts';
import type { AlarmState } from './evaluate.ts';
import { isServerAlarm } from './server-alarms.ts';

/** Everything that the default alarms of an endpoint evaluate, besides its metrics. */
export interface WatchedEndpoint {
  readonly name: string;
  readonly variants: readonly string[];
  /** Epoch milliseconds. Earlier measurements belong to a previous endpoint of the same name. */
  readonly createdAtMs: number;
  readonly objective: Objective | null;
  /** Epoch milliseconds. Earlier responses were judged by another objective; infinite if none was judged by this one yet. */
  readonly objectiveSinceMs: number;
  /** Why the endpoint does not come into service or its workers keep crashing; null if all is well. */
  readonly crashReason: string | null;
  /** Age of the oldest queued asynchronous request, and its limit; null for an endpoint without a queue. */
  readonly backlog: { readonly oldestMs: number; readonly maxMs: number } | null;
  /** Number of features that drifted from the baseline; null with too little traffic. Null or absent without a baseline. */
  readonly drift?: { readonly drifted: number | null; readonly reason: string } | null;
  /** Whether more rows went on to the second model of a cascade than its evaluation allows; null before any row. Null or absent without one. */
  readonly escalation?: { readonly isDrifted: boolean | null; readonly reason: string } | null;
  /** The same, of rows on which plans of a selection disagree with the most accurate one. */
  readonly agreement?: { readonly isDrifted: boolean | null; readonly reason: string } | null;
  /** Whether labels show that the floor of a selection is broken; null before any label. Null or absent without a floor. */
  readonly accuracy?: { readonly isDrifted: boolean | null; readonly reason: string } | null;
}

/** Number of responses or calls, and how many of them were bad. */
export interface Share {
  readonly all: number;
  readonly bad: number;
}

/** The result of evaluating a default alarm. The reason is shown to users. */
export interface Ruling {
  readonly state: AlarmState;
  readonly reason: string;
}

/** In the order in which views list them. */
export const defaultKinds = ['objective', 'errors', 'crash-loop', 'backlog-age', 'drift', 'escalation', 'agreement', 'accuracy'] as const;
/** Not every endpoint has every kind: without an objective none can be missed. */
export type DefaultKind = (typeof defaultKinds)[number];

const minuteMs = 60_000;
/**
 * The long window shows that the problem matters, the short one that it persists (Beyer et al., The Site Reliability Workbook, chapter 5,
 * table 5-8). Its rates are for a budget of 0.1 % over 30 days. An objective here holds in any hour; for p95, 14.4 times the budget
 * would be 72 %. The alarm therefore fires at `beyond` above the budget if that is less.
 */
export const burns = [
  { longMs: 60 * minuteMs, shortMs: 5 * minuteMs, rate: 14.4, beyond: 0.05 },
  { longMs: 360 * minuteMs, shortMs: 30 * minuteMs, rate: 6, beyond: 0.025 },
] as const;
/** Minimum number of late responses above the budget: fewer can be chance or a single pause. */
const excessMin = { long: 10, short: 5 } as const;
/** With fewer calls, the error rate is not meaningful. */
const answersMin = 20;
const errorShareMax = 0.05;
const errorWindows = { longMs: 5 * minuteMs, shortMs: minuteMs } as const;

/** The share of late responses at which the alarm fires. */
export function firingShare(budget: number, { rate, beyond }: Pick<(typeof burns)[number], 'rate' | 'beyond'>): number {
  return Math.min(rate * budget, budget + beyond);
}

/** Evaluates the objective alarm. `within(ms)` returns the responses of the last `ms` milliseconds. */
export function burnRuling(objective: Objective, within: (ms: number) => Share): Ruling {
  const budget = budgetOf(objective);
  const shareOf = ({ all, bad }: Share): number => (all === 0 ? 0 : bad / all);
  const excessOf = ({ all, bad }: Share): number => bad - budget * all;
  const lateText = (ms: number): string => {
    const { all, bad } = within(ms);
    return `${percent(shareOf({ all, bad }))} of responses (${number(bad)} of ${number(all)}) exceeded ${approximateMs(objective.latencyMs)} in the last ${windowTexts[ms]}`;
  };
  const allowed = `${percent(budget)} allowed`;
  const notFiring: string[] = [];
  for (const { longMs, shortMs, ...burn } of burns) {
    const firesAt = firingShare(budget, burn);
    const [long, short] = [within(longMs), within(shortMs)];
    if (shareOf(long) < firesAt || shareOf(short) < firesAt) continue;
    // All requests of a first burst wait for workers to start. Until more arrive, they would be the only data.
    const isBeginning = long.all === within(shortMs + minuteMs).all;
    if (isBeginning) notFiring.push(`not firing yet: all of them arrived in the last ${shortMs / minuteMs + 1} min`);
    else if (excessOf(long) < excessMin.long || excessOf(short) < excessMin.short) notFiring.push('not firing: too few late responses');
    else {
      const shortText = `${percent(shareOf(short))} (${number(short.bad)} of ${number(short.all)}) in the last ${windowTexts[shortMs]}`;
      const reason = `${lateText(longMs)} and ${shortText} (${allowed}); fires while both shares are at least ${percent(firesAt)}`;
      return { state: 'ALARM', reason };
    }
  }
  return { state: 'OK', reason: [`${lateText(burns[0].longMs)} (${allowed})`, ...notFiring.slice(0, 1)].join('; ') };
}

const windowTexts: Readonly<Record<number, string>> = {
  [burns[0].longMs]: 'hour',
  [burns[0].shortMs]: '5 min',
  [burns[1].longMs]: '6 hours',
  [burns[1].shortMs]: '30 min',
};

function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** Percentiles have at most three decimals, so their budgets do, too. */
function percent(share: number): string {
  return `${(100 * share).toFixed(share > 0 && share < 0.01 ? 3 : 1)} %`;
}

/** Evaluates the error alarm: fires if the share of failed calls is too high in both windows and the long one has enough calls. */
export function errorsRuling(within: (ms: number) => Share): Ruling {
  const [long, short] = [within(errorWindows.longMs), within(errorWindows.shortMs)];
  const text = ({ all, bad }: Share): string => `${number(bad)} of ${number(all)}`;
  const isBad = ({ all, bad }: Share): boolean => all >= answersMin && bad / all >= errorShareMax;
  const reason = `${text(long)} calls failed in 5 min (${text(short)} in the last minute)`;
  return { state: isBad(long) && short.bad / Math.max(short.all, 1) >= errorShareMax ? 'ALARM' : 'OK', reason };
}

/** The definition, with a description of what it watches and which endpoints have it. */
export function defaultAlarm(endpoint: string, kind: DefaultKind): AlarmDefinition {
  const watched = {
    objective: 'the share of late responses exceeds what the objective allows, over two windows',
    errors: 'calls fail because of the model or the platform',
    'crash-loop': 'the endpoint does not come into service, or its workers keep crashing',
    'backlog-age': 'queued asynchronous requests are too old',
    drift: 'requests have drifted from the baseline',
    escalation: 'a cascade is unsure of more rows than its evaluation allows, so the rows have drifted',
    agreement: 'a plan disagrees with the most accurate one on more rows than its evaluation allows, so the rows have drifted',
    accuracy: 'labels show that the accuracy is below the floor of the selection',
  } as const;
  const holders = {
    objective: 'Every endpoint with an objective',
    errors: 'Every endpoint',
    'crash-loop': 'Every endpoint',
    'backlog-age': 'Every endpoint that accepts asynchronous requests',
    drift: 'Every endpoint with a baseline',
    escalation: 'Every endpoint that serves a cascade',
    agreement: 'Every endpoint of a selection with several plans',
    accuracy: 'Every endpoint of a selection with a floor',
  } as const;
  const description = `Endpoint ${endpoint}: ${watched[kind]}. ${holders[kind]} has this alarm.`;
  return builtInAlarm(defaultAlarmName(endpoint, kind), description);
}

/** `penstock/digits/objective` */
export function defaultAlarmName(endpoint: string, kind: DefaultKind): string {
  return `penstock/${endpoint}/${kind}`;
}

/** Names of all possible default alarms of an endpoint. */
export function defaultAlarmNames(endpoint: string): string[] {
  return defaultKinds.map((kind) => defaultAlarmName(endpoint, kind));
}

/** What default alarms are computed from. */
export interface DefaultAlarmsOptions {
  readonly alarms: Pick<Alarms, 'get' | 'list' | 'put' | 'delete' | 'rule'>;
  readonly store: Pick<MetricStore, 'series' | 'isFullFor'>;
  readonly endpoints: () => readonly WatchedEndpoint[];
  readonly predecessors: Pick<Predecessors, 'removedBefore'>;
  readonly wallMs: () => number;
}

/** Evaluates all default alarms now, creates those of new endpoints and deletes those of removed ones. */
export async function evaluateDefaultAlarms(options: DefaultAlarmsOptions): Promise<void> {
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
  const orphaned = options.alarms.list().filter(({ name }) => isDefault(name) && !isServerAlarm(name) && !wanted.has(name));
  if (orphaned.length > 0) await options.alarms.delete(orphaned.map(({ name }) => name));
}

/** Whether this is a default alarm of the server or of any endpoint. */
export function isDefault(name: string): boolean {
  return isServerAlarm(name) || (name.startsWith('penstock/') && defaultKinds.some((kind) => name.endsWith(`/${kind}`)));
}

function applies(
  { objective, backlog, drift = null, escalation = null, agreement = null, accuracy = null }: WatchedEndpoint,
  kind: DefaultKind,
): boolean {
  if (kind === 'escalation') return escalation !== null;
  if (kind === 'agreement') return agreement !== null;
  if (kind === 'accuracy') return accuracy !== null;
  if (kind === 'drift') return drift !== null;
  if (kind === 'objective') return objective !== null;
  return kind !== 'backlog-age' || backlog !== null;
}

async function rulingOf(options: DefaultAlarmsOptions, endpoint: WatchedEndpoint, kind: DefaultKind): Promise<Ruling> {
  if (kind === 'crash-loop') {
    return endpoint.crashReason === null
      ? { state: 'OK', reason: 'all workers running' }
      : { state: 'ALARM', reason: endpoint.crashReason };
  }
  if (kind === 'backlog-age') {
    const { oldestMs, maxMs } = endpoint.backlog ?? { oldestMs: 0, maxMs: 0 };
    const queue = oldestMs === 0 ? 'the queue is empty' : `the oldest queued request has waited ${approximateMs(oldestMs)}`;
    const reason = `${queue}; the limit is ${approximateMs(maxMs)}`;
    return { state: oldestMs > maxMs ? 'ALARM' : 'OK', reason };
  }
  if (kind === 'drift') {
    const { drifted, reason } = endpoint.drift ?? { drifted: null, reason: 'no baseline' };
    if (drifted === null) return { state: 'INSUFFICIENT_DATA', reason };
    return { state: drifted > 0 ? 'ALARM' : 'OK', reason };
  }
  if (kind === 'escalation' || kind === 'agreement' || kind === 'accuracy') {
    const { isDrifted, reason } = endpoint[kind] ?? { isDrifted: null, reason: 'no plans to watch' };
    return { state: isDrifted === null ? 'INSUFFICIENT_DATA' : isDrifted ? 'ALARM' : 'OK', reason };
  }
  const unstored =
    kind === 'objective'
      ? unstoredRuling(options.store, endpoint, penstockNamespace, 'ObjectiveMissed')
      : unstoredRuling(options.store, endpoint, sagemakerNamespace, 'Invocations');
  if (unstored !== null) return unstored;
  if (kind === 'objective') {
    const minutes = await minutesOf(options, endpoint, { ...missed, forMs: burns[1].longMs, sinceMs: endpoint.objectiveSinceMs });
    return burnRuling(endpoint.objective as Objective, withinOf(minutes, options.wallMs()));
  }
  const minutes = await minutesOf(options, endpoint, { ...failed, forMs: errorWindows.longMs, sinceMs: endpoint.createdAtMs });
  return errorsRuling(withinOf(minutes, options.wallMs()));
}

/** INSUFFICIENT_DATA if a variant's metrics cannot be stored: missing data then says nothing about health. Else null. */
function unstoredRuling(
  store: Pick<MetricStore, 'isFullFor'>,
  { name, variants }: WatchedEndpoint,
  namespace: string,
  metric: string,
): Ruling | null {
  const unstored = variants.filter(
    (variant) => store.isFullFor([{ metricKey: variantMetricKey(namespace, name, variant), metric: { name: metric, unit: 'None' } }]) > 0,
  );
  if (unstored.length === 0) return null;
  const owner = unstored.map((variant) => `${name}/${variant}`).join(', ');
  return { state: 'INSUFFICIENT_DATA', reason: `no data is stored for ${owner}: there are too many different metrics` };
}

interface Minute extends Share {
  readonly atMs: number;
}

interface Measured {
  readonly namespace: string;
  readonly bad: readonly string[];
  readonly all: string;
  readonly forMs: number;
  /** Epoch milliseconds. Earlier data does not count; never before the endpoint was created. */
  readonly sinceMs: number;
}

const missed = { namespace: penstockNamespace, bad: ['ObjectiveMissed'], all: 'ObjectiveMissed' };
const failed = { namespace: sagemakerNamespace, bad: ['Invocation5XXErrors', 'InvocationModelErrors'], all: 'Invocations' };

/** Minutes of the last `forMs`, or since `sinceMs` if that is later, all variants together. */
async function minutesOf(
  { store, predecessors, wallMs }: DefaultAlarmsOptions,
  { name, variants, createdAtMs }: WatchedEndpoint,
  { namespace, bad, all, forMs, sinceMs }: Measured,
): Promise<Minute[]> {
  const nowMs = wallMs();
  let spans: ReturnType<typeof spansSince> = [{ fromMs: floor(nowMs - forMs, minuteMs), toMs: nowMs, periodMs: minuteMs }];
  if (sinceMs > nowMs - forMs) {
    // Before the objective was changed, responses were judged by the previous one.
    const othersUntilMs = sinceMs > createdAtMs ? sinceMs : await predecessors.removedBefore(name, createdAtMs);
    spans = spansSince({ fromMs: sinceMs, othersUntilMs }, nowMs);
  }
  const minutes: Minute[] = [];
  for (const span of spans) {
    for (const variant of variants) {
      const metricKey = variantMetricKey(namespace, name, variant);
      for (const { atMs, count } of await store.series({ metricKey, name: all, ...span })) minutes.push({ atMs, all: count, bad: 0 });
      for (const metric of bad) {
        for (const { atMs, sum } of await store.series({ metricKey, name: metric, ...span })) minutes.push({ atMs, all: 0, bad: sum });
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
