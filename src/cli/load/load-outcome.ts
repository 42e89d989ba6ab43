/** What a load has shown, in numbers and in words. Pure. */
import { formatObjective, type Objective, promisedShare } from '../../objective.ts';
import { fields, table } from '../table.ts';
import { msText, shareText, shellQuoted, shortened } from '../words.ts';
import type { LoadReport } from './run-load.ts';

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
  /** What that is over: the duration that was asked for, or longer where the last answer came later. */
  readonly answered_over_ms: number;
  /** What the arrivals asked for; null in a closed loop, where the answers decide. */
  readonly offered_per_second: number | null;
  readonly sent_per_second: number;
  /** What that is over. */
  readonly sent_over_ms: number;
  readonly connections: number;
  /** In the generator, of those that were sent; null in a closed loop, and where nothing was sent. */
  readonly send_wait_ms: Readonly<Record<'p50' | 'p95', number>> | null;
  /** From the sending to the answer. */
  readonly service_ms: Readonly<Record<'p50' | 'p95', number>> | null;
  /** The slowest answer from its sending, for `penstock why`; null where none has an id. */
  readonly slowest: { readonly request: string; readonly service_ms: number } | null;
  /** What kept the load from being as it was meant; null where nothing did. */
  readonly limited_by: 'connections' | 'generator' | null;
  readonly interrupted: boolean;
  /** Null where nobody was answered. */
  readonly latency_ms: Readonly<Record<'p50' | 'p90' | 'p95' | 'p99' | 'p999' | 'max', number>> | null;
  readonly objective: string | null;
  /** Of all requests, those that failed included; null without an objective, or without requests. */
  readonly in_time: number | null;
  readonly kept: boolean | null;
  readonly failures: readonly { readonly kind: string; readonly count: number; readonly first: string }[];
}

export interface LoadAbout extends Pick<LoadOutcome, 'endpoint' | 'loop' | 'load'> {
  readonly connections: number;
  /** `--duration`. */
  readonly forMs: number;
}

export function outcomeOf(report: Omit<LoadReport, 'answers'>, { forMs, ...about }: LoadAbout, objective: Objective | null): LoadOutcome {
  const { failures, excuses, elapsedMs, slowest } = report;
  const overMs = about.loop === 'closed' ? elapsedMs : Math.max(elapsedMs, periodOf(report, forMs));
  const sorted = report.latenciesMs.toSorted((a, b) => a - b);
  const failed = failures.reduce((sum, [, count]) => sum + count, 0);
  const requests = sorted.length + failed;
  // What failed kept no promise.
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
    kept: inTime === null || objective === null ? null : inTime >= promisedShare(objective),
    failures: failures
      .toSorted(([, a], [, b]) => b - a)
      .map(([kind, count]) => ({ kind, count, first: reasonIn(first.get(kind) ?? '', kind) })),
  };
}

type SendingOutcome = Pick<LoadOutcome, 'sent_over_ms' | 'offered_per_second' | 'sent_per_second' | 'send_wait_ms' | 'limited_by'>;

/** What was asked of the generator, what it did, and what it waited for where that was less. */
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

/** For how long the load was to run: what rates are over, so that one whose last arrival came early has no higher one. */
function periodOf({ interrupted, elapsedMs }: Pick<LoadReport, 'interrupted' | 'elapsedMs'>, forMs: number): number {
  return interrupted ? Math.min(forMs, elapsedMs) : forMs;
}

/** Waits before sending that are a third of those for answers, and 5 ms in the mean, are worth a word. */
const waitsPerServiceMax = 1 / 3;
const waitMsMax = 5;
/** A load of so large a share of its rate has reached it: random arrivals vary by more. */
const reachedShare = 0.98;

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function waitsIn(ms: readonly number[]): { readonly p50: number; readonly p95: number } {
  const { p50, p95 } = latenciesIn(ms.toSorted((a, b) => a - b));
  return { p50, p95 };
}

/** Nearest rank. */
function latenciesIn(sorted: readonly number[]): NonNullable<LoadOutcome['latency_ms']> {
  const at = (quantile: number): number => sorted[Math.max(0, Math.ceil(quantile * sorted.length) - 1)] as number;
  return { p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), p999: at(0.999), max: at(1) };
}

export function reasonIn(body: string, kind: string): string {
  if (kind === 'broken') return 'the connection ended, or none could be had';
  if (kind === 'not_sent') return 'not sent in time: no connection was free, or the generator was late';
  if (kind === 'unanswered') return 'sent, and not answered when the load ended';
  const [error, hint] = ['error', 'hint'].map((member) => textIn(body, member));
  if (error === undefined) return body.trim();
  return hint === undefined ? error : `${error}; ${hint}`;
}

/** Of a body that may be cut. */
function textIn(body: string, member: string): string | undefined {
  return new RegExp(`"${member}": ?"((?:[^"\\\\]|\\\\.)*)`).exec(body)?.[1]?.replaceAll('\\"', '"');
}

export function outcomeText(outcome: LoadOutcome): string {
  const { endpoint, loop, load, latency_ms: latency, objective, in_time: inTime, kept, failures, slowest } = outcome;
  const promise =
    objective === null || inTime === null ? null : `${objective}: ${kept ? 'kept' : 'not kept'}, ${shareText(inTime)} in time`;
  const text = fields([
    ['endpoint', endpoint],
    ['load', `${load} (${loop} loop)`],
    [
      'answered',
      `${outcome.answered} of ${outcome.requests}, ${rateText(outcome.answered_per_second)} over ${msText(outcome.answered_over_ms)}`,
    ],
    ['sent', sentText(outcome)],
    ['failed', outcome.failed],
    ['latency', latency === null ? null : latencyText(latency)],
    ['of which', partsText(outcome)],
    ['slowest', slowest === null ? null : `${msText(slowest.service_ms)} from sending: penstock why ${shellQuoted(slowest.request)}`],
    ['promise', promise],
  ]);
  const told = table(failures, [
    { title: 'FAILED', cell: ({ kind }) => kind },
    { title: 'COUNT', cell: ({ count }) => count, align: 'right' },
    { title: 'THE FIRST SAYS', cell: ({ first }) => shortened(first, 300) },
  ]);
  const since =
    loop === 'open'
      ? 'latency counts from when a request was to be sent, so what waits behind slow answers is in it'
      : 'latency counts from the sending: who is answered slowly asks less, so waits are understated; --rate counts them';
  const limit = limitText(outcome);
  const remarks = [
    ...(outcome.interrupted ? ['interrupted: this is what there was until then'] : []),
    ...(limit === null ? [] : [limit]),
    since,
  ];
  return `${text}${failures.length === 0 ? '' : `\n${told}`}${remarks.join('\n')}\n`;
}

const rateText = (perSecond: number): string => `${Math.round(10 * perSecond) / 10}/s`;

function sentText({ offered_per_second: offered, sent_per_second: sent, sent_over_ms: overMs }: LoadOutcome): string | null {
  return offered === null ? null : `${rateText(sent)} over ${msText(overMs)}, of ${rateText(offered)} offered`;
}

function partsText({ send_wait_ms: wait, service_ms: service }: LoadOutcome): string | null {
  if (wait === null || service === null) return null;
  return `before sending p50 ${msText(wait.p50)}, p95 ${msText(wait.p95)}; from sending p50 ${msText(service.p50)}, p95 ${msText(service.p95)}`;
}

/** The promise is not to be blamed for what the generator could not do. */
function limitText({ limited_by: limit, connections, offered_per_second: offered, sent_per_second: sent }: LoadOutcome): string | null {
  if (limit === null || offered === null) return null;
  const isReached = sent >= offered * reachedShare;
  const what = isReached
    ? 'much of the latency is the wait before sending'
    : `the rate was not reached, ${rateText(sent)} of ${rateText(offered)}`;
  return limit === 'connections'
    ? `${what}: all ${connections} connections were busy, as the answers are slower than the rate asks; give more --connections, lower --rate, or send from another machine`
    : `${what}: the load generator itself was late; lower --rate, or send from another machine`;
}

function latencyText(latency: NonNullable<LoadOutcome['latency_ms']>): string {
  const { p999, max, ...others } = latency;
  const parts = Object.entries(others).map(([name, ms]) => `${name} ${msText(ms)}`);
  return [...parts, `p99.9 ${msText(p999)}`, `max ${msText(max)}`].join(', ');
}
