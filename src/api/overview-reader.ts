/** Puts together what the overview shows: what is wanted, what runs, what was measured, what rings. */
import type { EndpointConfig, EndpointView } from '../deployment/index.ts';
import { messageOf } from '../errors.ts';
import { type Alarm, isAlarmOf, penstockNamespace, percentileOf, Together } from '../monitoring/index.ts';
import { formatObjective } from '../objective.ts';
import { alwaysOnUsdPerHour } from './always-on.ts';
import { together } from './measured-together.ts';
import { inTimeOf, lastMinutes, type Minute, type MinuteSpan, Minutes, promisedIn } from './minutes.ts';
import type { OverviewBody, OverviewEndpointBody } from './overview-bodies.ts';
import { timeOf } from './parameters.ts';
import type { ApiServices } from './services.ts';

const minuteMs = 60_000;
const hourMs = 3_600_000;
const sparkParts = 40;
const moneyParts = 120;
/** Several pages that look at once are told the same. */
const freshMs = 1000;

type Sources = Pick<ApiServices, 'deployments' | 'serving' | 'series' | 'alarms' | 'log' | 'clock' | 'tables' | 'prices'>;
type Row = OverviewEndpointBody;

interface Seen {
  readonly view: EndpointView;
  readonly minutes: readonly Minute[];
}

export class OverviewReader {
  readonly #sources: Sources;
  readonly #minutes: Minutes;
  /** By span: when it was last asked for, and the answer. */
  readonly #last = new Map<number, { readonly atMs: number; readonly body: Promise<OverviewBody> }>();
  /** That shares in time cannot be read is logged when it begins. */
  #isUnreadable = false;

  constructor(sources: Sources) {
    this.#sources = sources;
    this.#minutes = new Minutes(sources.series);
  }

  read(spanMs: number): Promise<OverviewBody> {
    const atMs = this.#sources.clock.nowMs();
    for (const [span, last] of this.#last) if (atMs - last.atMs >= freshMs) this.#last.delete(span);
    const known = this.#last.get(spanMs);
    if (known !== undefined) return known.body;
    const body = this.#read(spanMs);
    this.#last.set(spanMs, { atMs, body });
    return body;
  }

  /**
   * Of the answers of the last hour, the share within the objective, as a row of the overview has it; null without either. Null, too, where
   * it cannot be read: who is told that an endpoint was made or changed is told so whatever became of what was measured.
   */
  async inTime(view: EndpointView): Promise<number | null> {
    if (view.config.objective === null) return null;
    const { clock, log } = this.#sources;
    try {
      const minutes = await this.#minutes.of(view.config, lastMinutes(hourMs, clock.wallMs()));
      this.#isUnreadable = false;
      return inTimeOf(minutes, view);
    } catch (error) {
      if (!this.#isUnreadable) {
        log.warn({ endpoint: view.config.name }, `which share of the answers was in time cannot be read: ${messageOf(error)}`);
      }
      this.#isUnreadable = true;
      return null;
    }
  }

  async #read(spanMs: number): Promise<OverviewBody> {
    const { deployments, clock, alarms } = this.#sources;
    const nowMs = clock.wallMs();
    const span = lastMinutes(spanMs, nowMs);
    const { fromMs, toMs } = span;
    const views = deployments.list();
    const ringing = alarms.list().filter(({ state }) => state === 'ALARM');
    const seen: Seen[] = [];
    const rows: Row[] = [];
    for (const view of views) {
      const minutes = await this.#minutes.of(view.config, span);
      seen.push({ view, minutes });
      rows.push(await this.#rowOf({ view, minutes }, { ...span, ringing }));
    }
    return {
      at: timeOf(nowMs),
      span_s: spanMs / 1000,
      totals: this.#totalsOf(seen, rows, { fromMs, nowMs }),
      endpoints: rows,
      money: moneyOf(seen, fromMs, toMs, nowMs),
    };
  }

  async #rowOf({ view, minutes }: Seen, { fromMs, toMs, nowMs, ringing }: MinuteSpan & { ringing: readonly Alarm[] }): Promise<Row> {
    const { config } = view;
    const served = this.#sources.serving.endpoint(config.name);
    const sum = (of: (minute: Minute) => number): number => minutes.reduce((total, minute) => total + of(minute), 0);
    const [answered, usd] = [sum((each) => each.answered), sum((each) => each.instancesUsd + each.functionsUsd)];
    const now = await this.#lastMinute(config, minutes, nowMs);
    const lastMs = Math.max(0, ...(served?.variants ?? []).map(({ statistics }) => statistics.lastInferenceMs));
    return {
      name: config.name,
      status: view.status,
      reason: view.reason,
      objective: config.objective === null ? null : formatObjective(config.objective),
      models: config.variants.map(({ group, version }) => `${group}/${version}`),
      rate: now.rate,
      requests: answered,
      latency_ms: now.latencyMs,
      spark: sparkOf(minutes, fromMs, toMs),
      in_time: inTimeOf(minutes, view),
      in_time_last_hour: await this.inTime(view),
      instances_ready: readyInstances(view),
      instances_wanted: view.variants.reduce((total, { wanted }) => total + wanted, 0),
      instance_type: config.variants.find(({ instanceCount, scaling }) => instanceCount > 0 || scaling !== undefined)?.instanceType ?? null,
      has_functions: config.variants.some(({ functions }) => functions !== undefined),
      overflow_share: answered === 0 ? null : sum((each) => each.overflowed) / answered,
      usd_per_hour: this.#instancesUsdPerHour(view) + now.functionsUsdPerHour,
      usd_per_million: answered === 0 ? null : (usd / answered) * 1e6,
      last_request_at: lastMs === 0 ? null : timeOf(lastMs),
      alarms: ringing.filter((alarm) => isAlarmOf(alarm, config.name)).length,
    };
  }

  /** The last sixty seconds, to ten of them. */
  async #lastMinute(config: EndpointConfig, minutes: readonly Minute[], nowMs: number) {
    const quiet = { rate: 0, latencyMs: null, functionsUsdPerHour: 0 };
    if ((minutes.at(-1)?.atMs ?? 0) < nowMs - 3 * minuteMs) return quiet;
    const toMs = Math.floor(nowMs / 10_000) * 10_000;
    const place = { namespace: penstockNamespace, endpoint: config.name, variants: config.variants.map(({ name }) => name) };
    const span = { fromMs: toMs - minuteMs, toMs, periodMs: 10_000 };
    const { Latency: latency, FunctionsSpent: spent } = await together(this.#sources.series, place, span, ['Latency', 'FunctionsSpent']);
    const functionsUsdPerHour = [...spent.values()].reduce((total, { sum }) => total + sum, 0) * 60;
    const all = [...latency.values()];
    const count = all.reduce((total, each) => total + each.count, 0);
    if (count === 0) return { ...quiet, functionsUsdPerHour };
    const whole = new Together();
    for (const each of all) whole.add(each);
    return { rate: count / 60, latencyMs: percentileOf(whole, config.objective?.percentile ?? 95), functionsUsdPerHour };
  }

  /** What the instances cost that are there. */
  #instancesUsdPerHour({ config, variants }: EndpointView): number {
    return config.variants.reduce((usd, { name, instanceType }) => {
      const workers = variants.find((variant) => variant.name === name)?.workers ?? [];
      const price = this.#sources.prices.instances[instanceType]?.usdPerHour ?? 0;
      return usd + workers.filter(({ spec }) => spec.kind !== 'function').length * price;
    }, 0);
  }

  #totalsOf(seen: readonly Seen[], rows: readonly Row[], { fromMs, nowMs }: { fromMs: number; nowMs: number }): OverviewBody['totals'] {
    const all = seen.flatMap(({ minutes }) => minutes);
    const byMinute = new Map<number, number>();
    for (const { atMs, answered } of all) byMinute.set(atMs, (byMinute.get(atMs) ?? 0) + answered);
    // As the rows have it.
    const promised = seen.map(({ view, minutes }) => promisedIn(minutes, view));
    const [peak] = [...byMinute].sort(([, a], [, b]) => b - a);
    const sum = (of: (minute: Minute) => number): number => all.reduce((total, minute) => total + of(minute), 0);
    const [requests, spent] = [sum((each) => each.answered), sum((each) => each.instancesUsd + each.functionsUsd)];
    return {
      rate: rows.reduce((total, { rate }) => total + rate, 0),
      peak_rate: peak === undefined ? null : peak[1] / 60,
      peak_at: peak === undefined ? null : timeOf(peak[0]),
      requests,
      promised_requests: promised.reduce((total, each) => total + each.promised, 0),
      in_time_requests: promised.reduce((total, each) => total + each.promised - each.missed, 0),
      usd_per_hour: rows.reduce((total, { usd_per_hour: usd }) => total + (usd ?? 0), 0),
      usd_per_million: requests === 0 ? null : (spent / requests) * 1e6,
      spent_usd: spent,
      always_on_usd: this.#alwaysOnUsd(seen, fromMs, nowMs),
    };
  }

  /** Null where it is not known of one that had requests: less than all would look like a saving. */
  #alwaysOnUsd(seen: readonly Seen[], fromMs: number, nowMs: number): number | null {
    let usd = 0;
    for (const { view, minutes } of seen) {
      const rowsPerSecond = Math.max(0, ...minutes.map(({ rows }) => rows / 60));
      if (rowsPerSecond === 0) continue;
      const perHour = alwaysOnUsdPerHour(view.config, rowsPerSecond, this.#sources);
      if (perHour === null) return null;
      usd += (perHour * (nowMs - Math.max(fromMs, view.createdAtMs))) / hourMs;
    }
    return usd === 0 ? null : usd;
  }
}

function readyInstances({ config, variants }: EndpointView): number {
  return variants.reduce((total, { name, ready }) => {
    const own = config.variants.find((variant) => variant.name === name);
    const isServerless = own?.functions !== undefined && own.instanceCount === 0 && own.scaling === undefined;
    return total + (isServerless ? 0 : ready);
  }, 0);
}

/** Each part the mean of its minutes, weighted by how many were answered in them. */
function sparkOf(minutes: readonly Minute[], fromMs: number, toMs: number): (number | null)[] {
  const sums = Array.from({ length: sparkParts }, () => ({ ms: 0, weight: 0 }));
  for (const { atMs, latencyMs, answered } of minutes) {
    const part = sums[Math.floor(((atMs - fromMs) / (toMs - fromMs)) * sparkParts)];
    if (part === undefined || latencyMs === null) continue;
    part.ms += latencyMs * answered;
    part.weight += answered;
  }
  return sums.map(({ ms, weight }) => (weight === 0 ? null : ms / weight));
}

function moneyOf(seen: readonly Seen[], fromMs: number, toMs: number, nowMs: number): OverviewBody['money'] {
  const periodMs = Math.max(1, Math.round((toMs - fromMs) / moneyParts / minuteMs)) * minuteMs;
  const starts = Array.from({ length: Math.ceil((toMs - fromMs) / periodMs) }, (_, i) => fromMs + i * periodMs);
  const instances: (number | null)[] = starts.map(() => null);
  const functions = [...instances];
  for (const { minutes } of seen) {
    for (const { atMs, instancesUsd, functionsUsd } of minutes) {
      const part = Math.floor((atMs - fromMs) / periodMs);
      const passedMs = Math.max(10_000, Math.min(periodMs, nowMs - (starts[part] ?? nowMs)));
      instances[part] = (instances[part] ?? 0) + (instancesUsd * hourMs) / passedMs;
      functions[part] = (functions[part] ?? 0) + (functionsUsd * hourMs) / passedMs;
    }
  }
  return { at: starts.map((ms) => ms / 1000), instance_usd_per_hour: instances, function_usd_per_hour: functions };
}
