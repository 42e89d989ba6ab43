/** The outcome of a load, as numbers and as text. Pure. */

import type { StatusBody } from '../../api/index.ts';
import { formatObjective, type Objective, objectiveShare } from '../../objective.ts';
import { nearestRank } from '../../quantiles.ts';
import { formatMsText, shareText, shellQuoted, shortened } from '../output/format.ts';
import { fields, table } from '../output/table.ts';
import type { LoadReport } from './run-load.ts';

/** The body of `--output json`, so its names are those of the API. */
export interface LoadOutcome {
  readonly endpoint: string;
  readonly loop: 'open' | 'closed';
  /** Such as `poisson arrivals, 200/s for 30 s`. */
  readonly load: string;
  readonly requests: number;
  readonly answered: number;
  readonly failed: number;
  readonly elapsed_ms: number;
  readonly answered_per_second: number;
  /** The denominator of the rate: the requested duration, or longer if the last response arrived later. */
  readonly answered_over_ms: number;
  /** The rate of the arrivals; null in a closed loop, whose rate depends on the responses. */
  readonly offered_per_second: number | null;
  readonly sent_per_second: number;
  /** The denominator of the rate. */
  readonly sent_over_ms: number;
  readonly connections: number;
  /** Waiting in the generator, of sent requests; null in a closed loop, or if nothing was sent. */
  readonly send_wait_ms: Readonly<Record<'p50' | 'p95', number>> | null;
  /** From sending to the response. */
  readonly service_ms: Readonly<Record<'p50' | 'p95', number>> | null;
  /** The slowest response, measured from sending, for `penstock why`; null if no response has an id. */
  readonly slowest: { readonly request: string; readonly service_ms: number } | null;
  /** Why the generator could not produce the requested load; null if it did. */
  readonly limited_by: 'connections' | 'generator' | null;
  readonly interrupted: boolean;
  /** Null without successful responses. */
  readonly latency_ms: Readonly<Record<'p50' | 'p90' | 'p95' | 'p99' | 'p999' | 'max', number>> | null;
  readonly objective: string | null;
  /** Share of all requests, including failed ones; null without an objective or without requests. */
  readonly in_time: number | null;
  readonly kept: boolean | null;
  readonly failures: readonly { readonly kind: string; readonly count: number; readonly first: string }[];
  /** Shares of the server's processors that were used during the load: in all, and by others than the server. Null if unknown. */
  readonly processors: ProcessorShares | null;
}

/** Of all processors of this machine during the load, from 0 to 1. */
export interface ProcessorShares {
  readonly used: number;
  readonly others: number;
}

type ProcessorTimes = StatusBody['processor_ms'];

/** The use between two readings. */
export function processorShares(before: ProcessorTimes, after: ProcessorTimes): ProcessorShares | null {
  if (before === null || after === null || after.available <= before.available) return null;
  const share = (ms: number): number => Math.min(1, Math.max(0, ms / (after.available - before.available)));
  const [used, own] = [after.used - before.used, after.own - before.own];
  return { used: share(used), others: share(used - own) };
}

/** What was sent, as opposed to what came back. */
export interface LoadDescription extends Pick<LoadOutcome, 'endpoint' | 'loop' | 'load'> {
  readonly connections: number;
  /** `--duration`. */
  readonly forMs: number;
  readonly processors: ProcessorShares | null;
}

/** Computes rates, percentiles and the share within the objective. Failed requests count as late. */
export function outcomeOf(
  report: Omit<LoadReport, 'answers'>,
  { forMs, ...about }: LoadDescription,
  objective: Objective | null,
): LoadOutcome {
  const { failures, excuses, elapsedMs, slowest } = report;
  const overMs = about.loop === 'closed' ? elapsedMs : Math.max(elapsedMs, periodOf(report, forMs));
  const sorted = report.latenciesMs.toSorted((a, b) => a - b);
  const failed = failures.reduce((sum, [, count]) => sum + count, 0);
  const requests = sorted.length + failed;
  // A failed request counts as late.
  const inTime =
    objective === null || requests === 0 ? null : sorted.filter((latencyMs) => latencyMs <= objective.latencyMs).length / requests;
  const first = new Map(excuses);
  return {
    ...about,
    requests,
    answered: sorted.length,
    failed,
    elapsed_ms: elapsedMs,
    answered_per_second: overMs === 0 ? 0 : (sorted.length * 1000) / overMs,
    answered_over_ms: overMs,
    ...sendingIn(report, about.loop, requests, forMs),
    service_ms: sorted.length === 0 ? null : waitsIn(report.serviceMs),
    slowest: slowest === null ? null : { request: slowest.request, service_ms: slowest.serviceMs },
    interrupted: report.interrupted,
    latency_ms: sorted.length === 0 ? null : latenciesIn(sorted),
    objective: objective === null ? null : formatObjective(objective),
    in_time: inTime,
    kept: inTime === null || objective === null ? null : inTime >= objectiveShare(objective),
    failures: failures
      .toSorted(([, a], [, b]) => b - a)
      .map(([kind, count]) => ({ kind, count, first: failureReasonIn(first.get(kind) ?? '', kind) })),
  };
}

type SendingOutcome = Pick<LoadOutcome, 'sent_over_ms' | 'offered_per_second' | 'sent_per_second' | 'send_wait_ms' | 'limited_by'>;

/** The requested rate, the achieved rate, and the limit if the achieved rate is lower. */
function sendingIn(report: Omit<LoadReport, 'answers'>, loop: LoadOutcome['loop'], requests: number, forMs: number): SendingOutcome {
  const { sending, serviceMs, elapsedMs, failures } = report;
  const perSecond = (count: number, ms: number): number => (ms === 0 ? 0 : (count * 1000) / ms);
  if (loop === 'closed') {
    return {
      offered_per_second: null,
      sent_per_second: perSecond(requests, elapsedMs),
      sent_over_ms: elapsedMs,
      send_wait_ms: null,
      limited_by: null,
    };
  }
  const { waitsMs, lateMs, lastSentMs } = sending;
  const periodMs = periodOf(report, forMs);
  const sentOverMs = Math.max(periodMs, lastSentMs);
  const waitMs = sum(waitsMs);
  const isUnsent = failures.some(([kind]) => kind === 'not_sent');
  const isLimited = isUnsent || (waitMs > sum(serviceMs) * waitsPerServiceMax && waitMs > waitMsMax * waitsMs.length);
  return {
    offered_per_second: perSecond(requests, periodMs),
    sent_per_second: perSecond(waitsMs.length, sentOverMs),
    sent_over_ms: sentOverMs,
    send_wait_ms: waitsMs.length === 0 ? null : waitsIn(waitsMs),
    limited_by: !isLimited ? null : lateMs > waitMs / 2 ? 'generator' : 'connections',
  };
}

/** The intended duration. Rates use it as the denominator, so an early last arrival does not inflate them. */
function periodOf({ interrupted, elapsedMs }: Pick<LoadReport, 'interrupted' | 'elapsedMs'>, forMs: number): number {
  return interrupted ? Math.min(forMs, elapsedMs) : forMs;
}

/** Waits before sending are reported above a third of the service time and a mean of 5 ms. */
const waitsPerServiceMax = 1 / 3;
const waitMsMax = 5;
/** Above this share of the requested rate, the rate counts as reached: random arrivals alone cause such differences. */
const reachedShare = 0.98;

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function waitsIn(ms: readonly number[]): { readonly p50: number; readonly p95: number } {
  const { p50, p95 } = latenciesIn(ms.toSorted((a, b) => a - b));
  return { p50, p95 };
}

/** Nearest-rank percentiles. */
function latenciesIn(sorted: readonly number[]): NonNullable<LoadOutcome['latency_ms']> {
  const at = (quantile: number): number => nearestRank(sorted, quantile);
  return { p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), p999: at(0.999), max: at(1) };
}

/** The message for users of a failed request: the server's error and hint, or why there is no response. */
export function failureReasonIn(body: string, kind: string): string {
  if (kind === 'broken') return 'the connection failed';
  if (kind === 'not_sent') return 'not sent in time: no connection was free, or the generator was late';
  if (kind === 'unanswered') return 'sent, but not answered before the load ended';
  const [error, hint] = ['error', 'hint'].map((member) => textIn(body, member));
  if (error === undefined) return body.trim();
  return hint === undefined ? error : `${error}; ${hint}`;
}

/** Reads a string member of a JSON body that may be truncated. */
function textIn(body: string, member: string): string | undefined {
  return new RegExp(`"${member}": ?"((?:[^"\\\\]|\\\\.)*)`).exec(body)?.[1]?.replaceAll('\\"', '"');
}

/** The outcome for people; failures come with their first reason. */
export function formatLoadOutcome(outcome: LoadOutcome): string {
  const { endpoint, loop, load, latency_ms: latency, objective, in_time: inTime, kept, failures, slowest } = outcome;
  const attainment =
    objective === null || inTime === null ? null : `${objective}: ${kept ? 'met' : 'missed'}, ${shareText(inTime)} in time`;
  const text = fields([
    ['endpoint', endpoint],
    ['load', `${load} (${loop} loop)`],
    [
      'answered',
      `${outcome.answered} of ${outcome.requests}, ${rateText(outcome.answered_per_second)} over ${formatMsText(outcome.answered_over_ms)}`,
    ],
    ['sent', sentText(outcome)],
    ['failed', outcome.failed],
    ['latency', latency === null ? null : latencyText(latency)],
    ['of which', partsText(outcome)],
    [
      'slowest',
      slowest === null ? null : `${formatMsText(slowest.service_ms)} after sending; see penstock why ${shellQuoted(slowest.request)}`,
    ],
    ['objective', attainment],
  ]);
  const failureTable = table(failures, [
    { title: 'FAILED', cell: ({ kind }) => kind },
    { title: 'COUNT', cell: ({ count }) => count, align: 'right' },
    { title: 'FIRST MESSAGE', cell: ({ first }) => shortened(first, 300) },
  ]);
  const since =
    loop === 'open'
      ? 'latency is measured from the scheduled send time, so it includes waiting behind slow responses'
      : 'latency is measured from the actual send time and understates waiting, because slow responses slow the clients down; use --rate to include it';
  const limit = limitText(outcome);
  const remarks = [
    ...(outcome.interrupted ? ['interrupted: these are the results until then'] : []),
    ...(limit === null ? [] : [limit]),
    ...busyRemark(outcome),
    since,
  ];
  return `${text}${failures.length === 0 ? '' : `\n${failureTable}`}${remarks.join('\n')}\n`;
}

/** From this share on, processes wait for processors. */
const busyFromShare = 0.9;

/** A missed objective on a busy machine says little about the model. */
function busyRemark({ kept, processors }: LoadOutcome): string[] {
  if (kept !== false || processors === null || processors.used < busyFromShare) return [];
  const [used, others] = [processors.used, processors.others].map((share) => Math.round(100 * share));
  return [
    `the server's machine was busy: ${used} % of its processors were used, ${others} % by others than the server, such as this load generator; ` +
      'responses waited for a processor. Send the load from another machine, or end other programs',
  ];
}

const rateText = (perSecond: number): string => `${Math.round(10 * perSecond) / 10}/s`;

function sentText({ offered_per_second: offered, sent_per_second: sent, sent_over_ms: overMs }: LoadOutcome): string | null {
  return offered === null ? null : `${rateText(sent)} over ${formatMsText(overMs)}, of ${rateText(offered)} offered`;
}

function partsText({ send_wait_ms: wait, service_ms: service }: LoadOutcome): string | null {
  if (wait === null || service === null) return null;
  return `before sending p50 ${formatMsText(wait.p50)}, p95 ${formatMsText(wait.p95)}; after sending p50 ${formatMsText(service.p50)}, p95 ${formatMsText(service.p95)}`;
}

/** Explains a limit of the generator, so that it is not mistaken for one of the server. */
function limitText({ limited_by: limit, connections, offered_per_second: offered, sent_per_second: sent }: LoadOutcome): string | null {
  if (limit === null || offered === null) return null;
  const isReached = sent >= offered * reachedShare;
  const symptom = isReached
    ? 'much of the latency is waiting before sending'
    : `the rate was not reached (${rateText(sent)} of ${rateText(offered)})`;
  return limit === 'connections'
    ? `${symptom}: all ${connections} connections were busy because responses are too slow for this rate. Use more --connections, lower --rate, or run the load on another machine`
    : `${symptom}: the load generator itself was late. Lower --rate, or run the load on another machine`;
}

function latencyText(latency: NonNullable<LoadOutcome['latency_ms']>): string {
  const { p999, max, ...others } = latency;
  const parts = Object.entries(others).map(([name, ms]) => `${name} ${formatMsText(ms)}`);
  return [...parts, `p99.9 ${formatMsText(p999)}`, `max ${formatMsText(max)}`].join(', ');
}
