/**
 * Encodes metrics for Prometheus with native histograms: length-delimited `io.prometheus.client.MetricFamily` messages. Field numbers are
 * those of metrics.proto in prometheus/client_model.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { HistogramFamily, Labels } from './histogram-family.ts';
import { nativeSchema, zeroThreshold } from './native-buckets.ts';

/** The content type by which Prometheus requests native histograms. */
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

const histogram = 4;
const types: Readonly<Record<string, number>> = { counter: 0, gauge: 1, histogram };
const untyped = 3;
/** The field of `Metric` with the value, by type. */
const valueFields: Readonly<Record<number, number>> = { 0: 3, 1: 2, [untyped]: 5 };
const histogramField = 7;

/** The whole page. Plain families come from prom-client, histograms from this module. */
export function encodeFamilies(plain: readonly PlainFamily[], histograms: readonly HistogramFamily[]): Buffer {
  const writer = new BinaryWriter();
  for (const family of plain) delimited(writer, () => plainFamily(writer, family));
  for (const family of histograms) delimited(writer, () => nativeFamily(writer, family));
  return Buffer.from(writer.finish());
}

/** prom-client exports a histogram as separate series, as in the text format. They are joined into one message per label set. */
function plainFamily(writer: BinaryWriter, family: PlainFamily): void {
  const { name, help, type, values } = family;
  const isSingleSeries = values.every(({ metricName }) => metricName === undefined || metricName === name);
  if (!isSingleSeries) return histogramSeries(writer, family);
  const number = types[type] ?? untyped;
  describe(writer, name, help, number);
  for (const { labels, value } of values) {
    metric(writer, labels, () => message(writer, valueFields[number] ?? 5, () => writer.tag(1, WireType.Bit64).double(value)));
  }
}

interface Child {
  readonly labels: Labels;
  sum: number;
  count: number;
  readonly buckets: ClassicBucket[];
}

interface ClassicBucket {
  readonly count: number;
  readonly bound: number;
}

function histogramSeries(writer: BinaryWriter, { name, help, values }: PlainFamily): void {
  const children = new Map<string, Child>();
  for (const { labels: provided, value, metricName } of values) {
    const { le, ...rest } = provided;
    const labels = Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, String(each)]));
    const key = JSON.stringify(labels);
    let child = children.get(key);
    if (child === undefined) children.set(key, (child = { labels, sum: 0, count: 0, buckets: [] }));
    if (metricName === `${name}_sum`) child.sum = value;
    else if (metricName === `${name}_count`) child.count = value;
    else child.buckets.push({ count: value, bound: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le) });
  }
  describe(writer, name, help, histogram);
  for (const { labels, sum, count, buckets } of children.values()) {
    metric(writer, labels, () => message(writer, histogramField, () => classicHistogram(writer, { sum, count }, buckets)));
  }
}

function nativeFamily(writer: BinaryWriter, { names: { name, help }, children }: HistogramFamily): void {
  describe(writer, name, help, histogram);
  for (const child of children) {
    metric(writer, child.labels, () =>
      message(writer, histogramField, () => {
        classicHistogram(writer, child, child.cumulative());
        writer.tag(5, WireType.Varint).sint32(nativeSchema);
        writer.tag(6, WireType.Bit64).double(zeroThreshold);
        writer.tag(7, WireType.Varint).uint64(child.native.zeros);
        nativeBuckets(writer, child.native.filled());
      }),
    );
  }
}

function classicHistogram(
  writer: BinaryWriter,
  { sum, count }: { readonly sum: number; readonly count: number },
  buckets: readonly ClassicBucket[],
): void {
  writer.tag(1, WireType.Varint).uint64(count);
  writer.tag(2, WireType.Bit64).double(sum);
  for (const bucket of buckets) {
    message(writer, 3, () => {
      writer.tag(1, WireType.Varint).uint64(bucket.count);
      writer.tag(2, WireType.Bit64).double(bucket.bound);
    });
  }
}

/** Encodes runs of buckets as offsets from the previous run, and counts as differences from the previous count. */
function nativeBuckets(writer: BinaryWriter, filled: readonly { readonly bucket: number; readonly count: number }[]): void {
  const runs: { offset: number; length: number }[] = [];
  let next = 0;
  for (const { bucket } of filled) {
    const run = runs.at(-1);
    if (run === undefined || bucket !== next) runs.push({ offset: bucket - next, length: 1 });
    else run.length++;
    next = bucket + 1;
  }
  // Readers treat a histogram without spans as classic. An empty span marks it as native.
  if (runs.length === 0) runs.push({ offset: 0, length: 0 });
  for (const { offset, length } of runs) {
    message(writer, 12, () => {
      writer.tag(1, WireType.Varint).sint32(offset);
      writer.tag(2, WireType.Varint).uint32(length);
    });
  }
  let last = 0;
  for (const { count } of filled) {
    writer.tag(13, WireType.Varint).sint64(count - last);
    last = count;
  }
}

/** The members of a family before its metrics. */
function describe(writer: BinaryWriter, name: string, help: string, type: number): void {
  writer.tag(1, WireType.LengthDelimited).string(name);
  writer.tag(2, WireType.LengthDelimited).string(help);
  writer.tag(3, WireType.Varint).uint32(type);
}

function metric(writer: BinaryWriter, labels: Readonly<Record<string, string | number | undefined>>, value: () => void): void {
  message(writer, 4, () => {
    for (const [name, text] of Object.entries(labels)) {
      message(writer, 1, () => {
        writer.tag(1, WireType.LengthDelimited).string(name);
        writer.tag(2, WireType.LengthDelimited).string(String(text));
      });
    }
    value();
  });
}

function message(writer: BinaryWriter, field: number, members: () => void): void {
  writer.tag(field, WireType.LengthDelimited);
  delimited(writer, members);
}

/** A message with its length before it. */
function delimited(writer: BinaryWriter, members: () => void): void {
  writer.fork();
  members();
  writer.join();
}
