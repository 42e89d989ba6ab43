/** W3C Trace Context, level 1: who asked, as the headers `traceparent` and `tracestate` tell it, and as a model is told. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Random } from '../../random.ts';

export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 of them: the span of whoever called; null where nobody did. */
  readonly parentId: string | null;
  /** Of ours. */
  readonly spanId: string;
  readonly isSampled: boolean;
  /** What tracing systems before us keep there; handed on as it came, null where nothing did. */
  readonly state: string | null;
}

/** A longer state may be cut anywhere, and is of use to nobody then. */
const stateLengthMax = 512;

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * What the header says, and a span of our own below it. A header that is none counts as none: then the request begins a trace, which is
 * sampled by chance.
 */
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
 * What a model that speaks HTTP is told: where the request is traced here, our span is the parent of its own; where it is not, it gets
 * what the caller said, so that the trace goes on without us.
 */
export function passedTrace(headers: IncomingHttpHeaders, trace: TraceContext | null): Record<string, string> {
  const parent = trace === null ? headers.traceparent : `00-${trace.traceId}-${trace.spanId}-01`;
  if (typeof parent !== 'string') return {};
  const state = trace === null ? stateOf(headers.tracestate) : trace.state;
  return { traceparent: parent, ...(state === null ? {} : { tracestate: state }) };
}

/** Never all zeros: that means none. */
function hex(random: Random, digits: number): string {
  let text = '';
  while (text.length < digits)
    text += Math.floor(random.next() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return /^0+$/.test(text) ? `${text.slice(0, -1)}1` : text;
}
