/**
 * Encodes metrics for Prometheus with native histograms: length-delimited `io.prometheus.client.MetricFamily` messages. Field numbers are
 * those of metrics.proto in prometheus/client_model.
 */
import type { HistogramFamily, Labels } from './histogram-family.ts';
import { nativeSchema, zeroThreshold } from './native-buckets.ts';

export const protobufContentType = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited';

/** Whether a scraper's `Accept` header requests this format. */
export function acceptsProtobuf(accept: string | undefined): boolean {
  return (accept ?? '')
    .split(',')
    .some((range) => /^\s*application\/vnd\.google\.protobuf\s*;/i.test(range) && /encoding=delimited/i.test(range));
}

/** A metric as prom-client exports it. */
export interface PlainFamily {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly {
    readonly labels: Readonly<Record<string, string | number | undefined>>;
    readonly value: number;
    readonly metricName?: string;
  }[];
}

const types: Readonly<Record<string, number>> = { counter: 0, gauge: 1, histogram: 4 };
const untyped = 3;
/** The field of `Metric` with the value, by type. */
const valueFields: Readonly<Record<number, number>> = { 0: 3, 1: 2, [untyped]: 5 };

export function encodeFamilies(plain: readonly PlainFamily[], histograms: readonly HistogramFamily[]): Buffer {
  return Buffer.concat([...plain.map(plainFamily), ...histograms.map(nativeFamily)].flatMap((family) => [varint(family.length), family]));
}

/** prom-client exports a histogram as separate series, as in the text format. They are joined into one message per label set. */
function plainFamily({ name, help, type, values }: PlainFamily): Buffer {
  const isSingleSeries = values.every(({ metricName }) => metricName === undefined || metricName === name);
  if (!isSingleSeries) return Buffer.concat(histogramParts({ name, help, type, values }));
  const number = types[type] ?? untyped;
  const metrics = values.map(({ labels, value }) =>
    message(4, [...labelPairs(labels), message(valueFields[number] ?? 5, [double(1, value)])]),
  );
  return Buffer.concat([text(1, name), text(2, help), unsigned(3, number), ...metrics]);
}

function histogramParts({ name, help, values }: PlainFamily): Buffer[] {
  const children = new Map<string, { labels: Labels; sum: number; count: number; buckets: Buffer[] }>();
  for (const { labels: provided, value, metricName } of values) {
    const { le, ...rest } = provided;
    const labels = Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, String(each)]));
    const key = JSON.stringify(labels);
    let child = children.get(key);
    if (child === undefined) children.set(key, (child = { labels, sum: 0, count: 0, buckets: [] }));
    if (metricName === `${name}_sum`) child.sum = value;
    else if (metricName === `${name}_count`) child.count = value;
    else child.buckets.push(message(3, [unsigned(1, value), double(2, le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le))]));
  }
  const metrics = [...children.values()].map(({ labels, sum, count, buckets }) =>
    message(4, [...labelPairs(labels), message(7, [unsigned(1, count), double(2, sum), ...buckets])]),
  );
  return [text(1, name), text(2, help), unsigned(3, 4), ...metrics];
}

function nativeFamily(family: HistogramFamily): Buffer {
  const { name, help } = family.names;
  const metrics = family.children.map((child) => {
    const classic = child.cumulative().map(({ bound, count }) => message(3, [unsigned(1, count), double(2, bound)]));
    const { spans, deltas } = spansOf(child.native.filled());
    const native = [
      unsigned(1, child.count),
      double(2, child.sum),
      ...classic,
      signed(5, nativeSchema),
      double(6, zeroThreshold),
      unsigned(7, child.native.zeros),
    ];
    return message(4, [...labelPairs(child.labels), message(7, [...native, ...spans, ...deltas])]);
  });
  return Buffer.concat([text(1, name), text(2, help), unsigned(3, 4), ...metrics]);
}

/** Encodes runs of buckets as offsets from the previous run, and counts as differences from the previous count. */
function spansOf(filled: readonly { readonly bucket: number; readonly count: number }[]): { spans: Buffer[]; deltas: Buffer[] } {
  const runs: { offset: number; length: number }[] = [];
  const deltas: Buffer[] = [];
  let [next, last] = [0, 0];
  for (const { bucket, count } of filled) {
    const run = runs.at(-1);
    if (run === undefined || bucket !== next) runs.push({ offset: bucket - next, length: 1 });
    else run.length++;
    next = bucket + 1;
    deltas.push(signed(13, count - last));
    last = count;
  }
  // Readers treat a histogram without spans as classic. An empty span marks it as native.
  if (runs.length === 0) runs.push({ offset: 0, length: 0 });
  return { spans: runs.map(({ offset, length }) => message(12, [signed(1, offset), unsigned(2, length)])), deltas };
}

function labelPairs(labels: Readonly<Record<string, string | number | undefined>>): Buffer[] {
  return Object.entries(labels).map(([name, value]) => message(1, [text(1, name), text(2, String(value))]));
}

function message(field: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([varint(field * 8 + 2), varint(body.length), body]);
}

function text(field: number, value: string): Buffer {
  return message(field, [Buffer.from(value)]);
}

function unsigned(field: number, value: number): Buffer {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

/** Zigzag encoding: small numbers of either sign are short. */
function signed(field: number, value: number): Buffer {
  return unsigned(field, value >= 0 ? value * 2 : -value * 2 - 1);
}

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([varint(field * 8 + 1), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
