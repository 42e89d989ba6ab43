/** The default alarms of the server: event loop delay and memory. */
import type { MetricStore } from '../../metrics/index.ts';
import { penstockNamespace } from '../../metrics/index.ts';
import type { Alarms } from './alarms.ts';
import { builtInAlarm } from './built-in-alarm.ts';
import type { AlarmState } from './evaluate.ts';

/** Event-loop delays above the limit, in milliseconds, one value each. */
export const loopBlocked = {
  metricKey: { namespace: penstockNamespace, dimensions: {} },
  name: 'EventLoopBlocked',
  unit: 'Milliseconds',
} as const;

/** What the alarms of the server are computed from. */
export interface ServerAlarmsOptions {
  readonly alarms: Pick<Alarms, 'get' | 'put' | 'rule'>;
  readonly store: Pick<MetricStore, 'series'>;
  /** Why large bodies are rejected; null while there is memory for them. */
  readonly shortOfMemory: () => string | null;
  readonly wallMs: () => number;
}

const names = { loop: 'penstock/event-loop', memory: 'penstock/memory' } as const;
const descriptions = {
  loop: 'The server: its event loop is blocked, so every request waits.',
  memory: 'The server: memory is short, so large bodies are rejected.',
} as const;

/** Both windows must exceed it: the long one shows that the problem matters, the short one that it persists. */
const windows = { longMs: 300_000, shortMs: 60_000 } as const;
const blockedShareMax = 0.01;

/** Whether the name is that of a default alarm of the server. */
export function isServerAlarm(name: string): boolean {
  return name === names.loop || name === names.memory;
}

/** Evaluates both alarms now, and creates them if they are missing. */
export async function evaluateServerAlarms(options: ServerAlarmsOptions): Promise<void> {
  const { alarms, shortOfMemory } = options;
  for (const kind of ['loop', 'memory'] as const) {
    if (alarms.get(names[kind]) === null) await alarms.put(builtInAlarm(names[kind], `${descriptions[kind]} Every server has this alarm.`));
  }
  const { state, reason } = loopRuling(await blockedWithin(options));
  await alarms.rule(names.loop, state, reason);
  const shortage = shortOfMemory();
  await alarms.rule(names.memory, shortage === null ? 'OK' : 'ALARM', shortage ?? 'there is room for large bodies');
}

/** How long the event loop was blocked within the long and the short window, in milliseconds. */
export interface BlockedTime {
  readonly longMs: number;
  readonly shortMs: number;
}

/** Evaluates the event loop alarm: fires if the loop was blocked for too long in both windows. */
export function loopRuling({ longMs, shortMs }: BlockedTime): { readonly state: AlarmState; readonly reason: string } {
  const isBad = longMs >= blockedShareMax * windows.longMs && shortMs >= blockedShareMax * windows.shortMs;
  const seconds = (ms: number): string => (ms / 1000).toFixed(1);
  const reason =
    `slices over 100 ms blocked the event loop for ${seconds(longMs)} s of the last 5 min and ${seconds(shortMs)} s of the last minute; ` +
    `the limits are ${seconds(blockedShareMax * windows.longMs)} s and ${seconds(blockedShareMax * windows.shortMs)} s`;
  return { state: isBad ? 'ALARM' : 'OK', reason };
}

async function blockedWithin({ store, wallMs }: ServerAlarmsOptions): Promise<BlockedTime> {
  const toMs = wallMs();
  const periodMs = 10_000;
  const points = await store.series({ ...loopBlocked, fromMs: toMs - windows.longMs, toMs, periodMs });
  const since = (ms: number): number => points.reduce((sum, point) => (point.atMs > toMs - ms - periodMs ? sum + point.sum : sum), 0);
  return { longMs: since(windows.longMs), shortMs: since(windows.shortMs) };
}
