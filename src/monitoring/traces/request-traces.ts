/** From the header of a request to its spans: begun at the door, ended by the line that tells how it went. */
import type { Random } from '../../random.ts';
import type { RequestLine } from '../request-line.ts';
import { type TraceContext, traceOf } from './trace-context.ts';
import type { RequestTrace, Span, TraceExporter } from './trace-exporter.ts';

/** Requests under way of which a trace is kept; one that never ends must not be kept for ever. */
const openMax = 20_000;

export class RequestTraces {
  readonly #exporter: Pick<TraceExporter, 'add'>;
  readonly #random: Random;
  readonly #share: number;
  readonly #open = new Map<string, TraceContext>();

  /** `share`, 0..1, is of requests whose caller traces nothing. */
  constructor(exporter: Pick<TraceExporter, 'add'>, random: Random, share: number) {
    this.#exporter = exporter;
    this.#random = random;
    this.#share = share;
  }

  /** A request has come, with or without a `traceparent`. */
  begin(requestId: string, header: string | string[] | undefined): void {
    const context = traceOf(typeof header === 'string' ? header : undefined, this.#random, this.#share);
    if (!context.isSampled) return;
    if (this.#open.size >= openMax) this.#open.delete(this.#open.keys().next().value as string);
    this.#open.set(requestId, context);
  }

  /** It has ended. */
  end(line: RequestLine): void {
    const context = this.#open.get(line.requestId);
    if (context === undefined) return;
    this.#open.delete(line.requestId);
    this.#exporter.add(traceOfLine(line, context));
  }
}

/** Its stages lie one behind the other, and end with it. */
export function traceOfLine(line: RequestLine, context: TraceContext): RequestTrace {
  const { atMs, requestId, endpoint, variant, version, status, rows, batchRows, closeReason, executor, totalMs, costUsd, error } = line;
  const startMs = atMs - totalMs;
  const stages: Span[] = [];
  let fromMs = startMs;
  for (const [name, ms] of [
    ['queue', line.queueMs],
    ['compute', line.computeMs],
    ['encode', line.encodeMs],
  ] as const) {
    if (ms <= 0) continue;
    const untilMs = Math.min(fromMs + ms, atMs);
    stages.push({ name, startMs: fromMs, endMs: untilMs, attributes: name === 'compute' ? { 'penstock.batch_rows': batchRows } : {} });
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
      ...(executor === undefined ? {} : { 'penstock.executor': executor }),
    },
    context,
    stages,
    error: status === 'ok' ? null : (error ?? String(status)),
  };
}
