import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Metrics } from '../metrics.ts';
import { logged } from '../series/logged-values.ts';
import { NativeBuckets, nativeSchema } from './native-buckets.ts';
import { acceptsProtobuf } from './protobuf.ts';

const boundOf = (bucket: number): number => 2 ** (bucket / 2 ** nativeSchema);

describe('native buckets', () => {
  test('hold every value between their bounds, in any order', () => {
    const value = fc.double({ min: 1e-8, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 100 }), (values) => {
        const buckets = new NativeBuckets();
        buckets.observeAll(logged(Float64Array.from(values)), 1);
        const sorted = values.toSorted((one, other) => one - other);
        const filled = buckets.filled().flatMap(({ bucket, count }) => Array.from({ length: count }, () => bucket));
        assert.equal(filled.length, values.length);
        for (const [i, bucket] of filled.entries()) {
          const each = sorted[i] as number;
          assert(each <= boundOf(bucket) * (1 + 1e-12) && each > boundOf(bucket - 1) * (1 - 1e-12), `${each} in ${bucket}`);
        }
      }),
    );
  });

  test('count zeros separately', () => {
    const buckets = new NativeBuckets();
    buckets.observeAll(logged(Float64Array.of(0, 1e-12, -1, Number.NaN)), 1);
    assert.deepEqual([buckets.zeros, buckets.filled()], [4, []]);
  });
});

describe('protocol buffers', () => {
  test('are served on request, length-delimited', () => {
    const prometheus =
      'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5';
    assert.deepEqual([prometheus, 'text/plain', '*/*', undefined, 'application/vnd.google.protobuf;encoding=text'].map(acceptsProtobuf), [
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  test('are complete: as many families as the text format, with matching lengths', async () => {
    const metrics = new Metrics();
    metrics
      .variant('digits', 'AllTraffic')
      .answered({ totalMs: 12, queueMs: 0, computeMs: 7, encodeMs: 1, rows: 3, costUsd: 0 }, 'instance', null);
    const { body: text } = await metrics.prometheus();
    const { body, contentType } = await metrics.prometheus('application/vnd.google.protobuf;encoding=delimited');
    assert.match(contentType, /^application\/vnd\.google\.protobuf/);
    let [at, families] = [0, 0];
    while (at < body.length) {
      let [length, shift] = [0, 0];
      for (;;) {
        const byte = body[at++] as number;
        length += (byte & 0x7f) * 2 ** shift;
        shift += 7;
        if (byte < 0x80) break;
      }
      at += length;
      families++;
    }
    assert.equal(at, body.length);
    assert.equal(families, text.toString().match(/^# TYPE /gm)?.length);
  });
});
