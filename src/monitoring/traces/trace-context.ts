/** W3C Trace Context, level 1: who asked, as the header `traceparent` tells it. */
import type { Random } from '../../random.ts';

export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 of them: the span of whoever called; null where nobody did. */
  readonly parentId: string | null;
  /** Of ours. */
  readonly spanId: string;
  readonly isSampled: boolean;
}

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * What the header says, and a span of our own below it. A header that is none counts as none: then the request begins a trace, which is
 * sampled by chance.
 */
export function traceOf(header: string | undefined, random: Random, share: number): TraceContext {
  const [, version, traceId = '', parentId = '', flags = '', rest] = header === undefined ? [] : (form.exec(header.trim()) ?? []);
  const isKnown =
    version !== undefined &&
    version !== 'ff' &&
    !/^0+$/.test(traceId) &&
    !/^0+$/.test(parentId) &&
    (version !== '00' || rest === undefined);
  const spanId = hex(random, 16);
  if (isKnown) return { traceId, parentId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
  return { traceId: hex(random, 32), parentId: null, spanId, isSampled: random.next() < share };
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
