/** Traces of requests: started from the request headers, ended by the request line. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../../clock.ts';
import type { PlatformError } from '../../errors.ts';
import type { Random } from '../../random.ts';
import type { RequestLine } from '../request-log/request-line.ts';
import { type TraceContext, traceOf } from './trace-context.ts';
import type { RequestTrace, TraceExporter, TraceSpan } from './trace-exporter.ts';

/** Limit of open traces, so that requests which never end do not leak. */
const openMax = 20_000;

interface Open {
  readonly context: TraceContext;
  /** When the request began, epoch milliseconds. */
  readonly atMs: number;
}

/** A trace begins with the caller's `traceparent` if there is one; otherwise a share of the requests is traced. */
export class RequestTraces {
  readonly #exporter: Pick<TraceExporter, 'add'>;
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #random: Random;
  readonly #share: number;
  readonly #open = new Map<string, Open>();

  /** `share`, 0 to 1: share of sampled requests without a `traceparent`. */
  constructor(exporter: Pick<TraceExporter, 'add'>, clock: Pick<Clock, 'wallMs'>, random: Random, share: number) {
    this.#exporter = exporter;
    this.#clock = clock;
    this.#random = random;
    this.#share = share;
  }

  /** Starts the trace of a request; null if it is not sampled. */
  begin(requestId: string, headers: IncomingHttpHeaders): TraceContext | null {
    const context = traceOf(headers, this.#random, this.#share);
    if (!context.isSampled) return null;
    if (this.#open.size >= openMax) this.#open.delete(this.#open.keys().next().value as string);
    this.#open.set(requestId, { context, atMs: this.#clock.wallMs() });
    return context;
  }

  /** Whether the request has an open trace. */
  has(requestId: string): boolean {
    return this.#open.has(requestId);
  }

  /** Ends a request that reached a model. */
  end(line: RequestLine): void {
    const open = this.#take(line.requestId);
    if (open !== null) this.#exporter.add(traceOfLine(line, open.context));
  }

  /** Ends a request that was rejected before it reached a model and has no request line. Ignores requests that have ended. */
  refuse(requestId: string, { code, message }: Pick<PlatformError, 'code' | 'message'>): void {
    const open = this.#take(requestId);
    if (open === null) return;
    const attributes = { 'penstock.request_id': requestId, 'penstock.status': code };
    const { context, atMs: startMs } = open;
    this.#exporter.add({ name: 'infer', startMs, endMs: this.#clock.wallMs(), attributes, context, stages: [], error: message });
  }

  #take(requestId: string): Open | null {
    const open = this.#open.get(requestId);
    if (open === undefined) return null;
    this.#open.delete(requestId);
    return open;
  }
}

/** A queue span with a cold start was waiting for the function to start. */
function attributesOf(stage: string, { batchRows, coldStart }: RequestLine): TraceSpan['attributes'] {
  if (stage === 'compute') return { 'penstock.batch_rows': batchRows };
  return stage === 'queue' && coldStart === true ? { 'penstock.cold_start': true } : {};
}

/** Stages are consecutive and end with the request. */
export function traceOfLine(line: RequestLine, context: TraceContext): RequestTrace {
  const { batchWaitMs = 0, queueMs, coldStart = false } = line;
  const { atMs, requestId, endpoint, variant, version, status, rows, closeReason, executor, totalMs, costUsd, error } = line;
  const startMs = atMs - totalMs;
  const stages: TraceSpan[] = [];
  let fromMs = startMs;
  for (const [name, ms] of [
    ['batch_wait', Math.min(batchWaitMs, queueMs)],
    ['queue', queueMs - Math.min(batchWaitMs, queueMs)],
    ['compute', line.computeMs],
    ['encode', line.encodeMs],
  ] as const) {
    if (ms <= 0) continue;
    const untilMs = Math.min(fromMs + ms, atMs);
    stages.push({ name, startMs: fromMs, endMs: untilMs, attributes: attributesOf(name, line) });
    fromMs = untilMs;
  }
  return {
    name: `infer ${endpoint}`,
    startMs,
    endMs: atMs,
    attributes: {
      'penstock.request_id': requestId,
      'penstock.endpoint': endpoint,
      'penstock.variant': variant,
      'penstock.version': version,
      'penstock.status': String(status),
      'penstock.rows': rows,
      'penstock.close_reason': closeReason,
      'penstock.cost_usd': costUsd,
      ...(coldStart ? { 'penstock.cold_start': true } : {}),
      ...(executor === undefined ? {} : { 'penstock.executor': executor }),
    },
    context,
    stages,
    error: status === 'ok' ? null : (error ?? String(status)),
  };
}
