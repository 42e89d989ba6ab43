/**
 * Exports spans to a collector by OTLP over HTTP, as JSON, off the request path. Spans that the collector does not accept are dropped and
 * counted: traces are best effort.
 */
import type { Clock } from '../../clock.ts';
import type { TraceContext } from './trace-context.ts';

/** A part of a trace, with its duration. */
export interface TraceSpan {
  readonly name: string;
  /** Epoch milliseconds, fractional. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/** The span of a request and those of its stages. */
export interface RequestTrace extends TraceSpan {
  readonly context: TraceContext;
  readonly stages: readonly TraceSpan[];
  /** The error message; null if it was answered. */
  readonly error: string | null;
}

/** The collector. */
export interface TraceExporterOptions {
  /** `http://127.0.0.1:4318`: `/v1/traces` below it. */
  readonly endpoint: string;
  readonly clock: Clock;
  readonly version: string;
  /** Generates span ids. */
  readonly newSpanId: () => string;
  /** Exporting some traces failed. */
  readonly onFailure: (error: unknown) => void;
}

const everyMs = 2000;
const requestsPerPost = 500;
const waitingMax = 5000;
const timeoutMs = 10_000;

/** Sends batches one after another. What is waiting is bounded. */
export class TraceExporter {
  readonly #options: TraceExporterOptions;
  #waiting: RequestTrace[] = [];
  #dropped = 0;
  #cancelTimer: (() => void) | null = null;
  #turn: Promise<void> = Promise.resolve();

  constructor(options: TraceExporterOptions) {
    this.#options = options;
  }

  /** Traces dropped because of overload or because the collector does not respond. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Traces are sent together after a while. While the collector is slow, new ones are dropped and counted: memory stays bounded. */
  add(trace: RequestTrace): void {
    if (this.#waiting.length >= waitingMax) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(trace);
    this.#cancelTimer ??= this.#options.clock.after(everyMs, () => {
      this.#cancelTimer = null;
      void this.flush();
    });
  }

  /** Sends all pending traces. */
  flush(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#send());
    return this.#turn;
  }

  async close(): Promise<void> {
    this.#cancelTimer?.();
    await this.flush();
  }

  async #send(): Promise<void> {
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, requestsPerPost);
      try {
        await this.#post(some);
      } catch (error) {
        this.#dropped += some.length + this.#waiting.splice(0).length;
        this.#options.onFailure(error);
      }
    }
  }

  async #post(traces: readonly RequestTrace[]): Promise<void> {
    const { endpoint, version, newSpanId } = this.#options;
    const spans = traces.flatMap((trace) => spansOf(trace, newSpanId));
    const resource = { attributes: attributesOf({ 'service.name': 'penstock', 'service.version': version }) };
    const body = JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'penstock' }, spans }] }] });
    const url = `${endpoint.replace(/\/+$/, '')}/v1/traces`;
    const headers = { 'Content-Type': 'application/json' };
    const answer = await fetch(url, { method: 'POST', body, headers, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  }
}

/** OTLP span kinds. */
const [server, internal] = [2, 1];

function spansOf(trace: RequestTrace, newSpanId: () => string): object[] {
  const { traceId, spanId, parentId, state } = trace.context;
  const traceState = state === null ? {} : { traceState: state };
  const own = {
    ...spanBody(trace),
    traceId,
    spanId,
    ...(parentId === null ? {} : { parentSpanId: parentId }),
    ...traceState,
    kind: server,
    status: trace.error === null ? { code: 1 } : { code: 2, message: trace.error },
  };
  return [
    own,
    ...trace.stages.map((stage) => ({
      ...spanBody(stage),
      traceId,
      spanId: newSpanId(),
      parentSpanId: spanId,
      ...traceState,
      kind: internal,
    })),
  ];
}

function spanBody({ name, startMs, endMs, attributes }: TraceSpan): object {
  return { name, startTimeUnixNano: nanoseconds(startMs), endTimeUnixNano: nanoseconds(endMs), attributes: attributesOf(attributes) };
}

/** Nanoseconds exceed exact numbers: convert whole milliseconds and the fraction separately. */
function nanoseconds(ms: number): string {
  const whole = Math.floor(ms);
  return String(BigInt(whole) * 1_000_000n + BigInt(Math.round((ms - whole) * 1e6)));
}

function attributesOf(attributes: TraceSpan['attributes']): object[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: valueOf(value) }));
}

function valueOf(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}
