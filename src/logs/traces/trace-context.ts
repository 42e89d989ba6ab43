/** W3C Trace Context, level 1: parses `traceparent` and `tracestate`, and creates the headers passed to models. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Random } from '../../random.ts';

/** Where a request stands in a trace. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits: the caller's span; null without a caller's trace. */
  readonly parentId: string | null;
  /** The span of this server, 16 hexadecimal digits. */
  readonly spanId: string;
  readonly isSampled: boolean;
  /** State of other tracing systems, passed on unchanged; null if there is none. */
  readonly state: string | null;
}

/** A longer state could be truncated anywhere downstream, so it is dropped. */
const stateLengthMax = 512;

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Creates a span below the one in the header. A missing or invalid header starts a new trace, which is sampled at random. */
export function traceOf({ traceparent: header, tracestate }: IncomingHttpHeaders, random: Random, share: number): TraceContext {
  const [, version, traceId = '', parentId = '', flags = '', rest] = typeof header !== 'string' ? [] : (form.exec(header.trim()) ?? []);
  const isKnown =
    version !== undefined &&
    version !== 'ff' &&
    !/^0+$/.test(traceId) &&
    !/^0+$/.test(parentId) &&
    (version !== '00' || rest === undefined);
  const spanId = hex(random, 16);
  if (isKnown) return { traceId, parentId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1, state: stateOf(tracestate) };
  return { traceId: hex(random, 32), parentId: null, spanId, isSampled: random.next() < share, state: null };
}

function stateOf(header: string | string[] | undefined): string | null {
  const state = typeof header === 'string' ? header.trim() : (header ?? []).join(',');
  return state === '' || state.length > stateLengthMax ? null : state;
}

/**
 * Trace headers for a model that speaks HTTP. If the request is traced here, this server's span is the parent; otherwise the caller's
 * headers are passed on.
 */
export function passedTrace(headers: IncomingHttpHeaders, trace: TraceContext | null): Record<string, string> {
  const parent = trace === null ? headers.traceparent : `00-${trace.traceId}-${trace.spanId}-01`;
  if (typeof parent !== 'string') return {};
  const state = trace === null ? stateOf(headers.tracestate) : trace.state;
  return { traceparent: parent, ...(state === null ? {} : { tracestate: state }) };
}

/** Never all zeros, which means no id. */
function hex(random: Random, digits: number): string {
  let text = '';
  while (text.length < digits)
    text += Math.floor(random.next() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return /^0+$/.test(text) ? `${text.slice(0, -1)}1` : text;
}
