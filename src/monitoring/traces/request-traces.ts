/** From the header of a request to its spans: begun at the door, ended by the line that tells how it went. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../../clock.ts';
import type { PlatformError } from '../../errors.ts';
import type { Random } from '../../random.ts';
import type { RequestLine } from '../request-log/request-line.ts';
import { type TraceContext, traceOf } from './trace-context.ts';
import type { RequestTrace, Span, TraceExporter } from './trace-exporter.ts';

/** Requests under way of which a trace is kept; one that never ends must not be kept for ever. */
const openMax = 20_000;

interface Open {
  readonly context: TraceContext;
  /** When it began, epoch milliseconds. */
  readonly atMs: number;
}

export class RequestTraces {
  readonly #exporter: Pick<TraceExporter, 'add'>;
  readonly #clock: Pick<Clock, 'wallMs'>;
  readonly #random: Random;
  readonly #share: number;
  readonly #open = new Map<string, Open>();

  /** `share`, 0..1, is of requests whose caller traces nothing. */
  constructor(exporter: Pick<TraceExporter, 'add'>, clock: Pick<Clock, 'wallMs'>, random: Random, share: number) {
    this.#exporter = exporter;
    this.#clock = clock;
    this.#random = random;
    this.#share = share;
  }

  /** A request has come, with or without a `traceparent`. Null where it is not traced. */
  begin(requestId: string, headers: IncomingHttpHeaders): TraceContext | null {
    const context = traceOf(headers, this.#random, this.#share);
    if (!context.isSampled) return null;
    if (this.#open.size >= openMax) this.#open.delete(this.#open.keys().next().value as string);
    this.#open.set(requestId, { context, atMs: this.#clock.wallMs() });
    return context;
  }

  /** Of this request, which has not ended. */
  has(requestId: string): boolean {
    return this.#open.has(requestId);
  }

  /** It has ended. */
  end(line: RequestLine): void {
    const open = this.#take(line.requestId);
    if (open !== null) this.#exporter.add(traceOfLine(line, open.context));
  }

  /** It was refused: of one that never got as far as a model no line tells. One that has ended already is left as it is. */
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

/** Where it waited for a function to start, that is what it waited for. */
function attributesOf(stage: string, { batchRows, coldStart }: RequestLine): Span['attributes'] {
  if (stage === 'compute') return { 'penstock.batch_rows': batchRows };
  return stage === 'queue' && coldStart === true ? { 'penstock.cold_start': true } : {};
}

/** Its stages lie one behind the other, and end with it. */
export function traceOfLine(line: RequestLine, context: TraceContext): RequestTrace {
  const { batchWaitMs = 0, queueMs, coldStart = false } = line;
  const { atMs, requestId, endpoint, variant, version, status, rows, closeReason, executor, totalMs, costUsd, error } = line;
  const startMs = atMs - totalMs;
  const stages: Span[] = [];
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
