import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { VirtualClock } from '../../clock.ts';
import { SeededRandom } from '../../random.ts';
import type { RequestLine } from '../request-log/request-line.ts';
import { RequestTraces } from './request-traces.ts';
import { passedTrace, traceOf } from './trace-context.ts';
import { type RequestTrace, TraceExporter } from './trace-exporter.ts';

const random = new SeededRandom(3);
const sampled = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

describe('the trace of a request', () => {
  test("continues the caller's trace with a new span", () => {
    const trace = traceOf({ traceparent: sampled }, random, 0);
    assert.deepEqual([trace.traceId, trace.parentId, trace.isSampled], ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7', true]);
    assert.match(trace.spanId, /^[0-9a-f]{16}$/);
    assert.equal(traceOf({ traceparent: sampled.replace(/01$/, '00') }, random, 1).isSampled, false);
    assert.equal(traceOf({ traceparent: `cc${sampled.slice(2)}-what.comes.later` }, random, 0).isSampled, true);
  });

  test('retains the trace state, whole or not at all', () => {
    const withState = (tracestate: string | string[]) => traceOf({ traceparent: sampled, tracestate }, random, 0).state;
    assert.deepEqual(['vendor=1,other=2', '', `a=${'x'.repeat(600)}`].map(withState), ['vendor=1,other=2', null, null]);
    assert.equal(traceOf({ tracestate: 'vendor=1' }, random, 1).state, null);
  });

  test("is passed to a model that speaks HTTP: below this server's span, or unchanged if not traced here", () => {
    const headers = { traceparent: sampled, tracestate: 'vendor=1' };
    const trace = traceOf(headers, random, 0);
    const ours = `00-4bf92f3577b34da6a3ce929d0e0e4736-${trace.spanId}-01`;
    assert.deepEqual(passedTrace(headers, trace), { traceparent: ours, tracestate: 'vendor=1' });
    assert.deepEqual(passedTrace(headers, null), headers);
    assert.deepEqual(passedTrace({}, null), {});
    assert.match(passedTrace({}, traceOf({}, random, 1)).traceparent ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  });

  test('is new if the header is invalid', () => {
    for (const header of [
      undefined,
      '',
      'x',
      `ff${sampled.slice(2)}`,
      `${sampled}-more`,
      sampled.toUpperCase(),
      '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
    ]) {
      const trace = traceOf(header === undefined ? {} : { traceparent: header }, random, 1);
      assert.deepEqual([trace.parentId, trace.isSampled], [null, true], String(header));
      assert.match(trace.traceId, /^[0-9a-f]{32}$/);
    }
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (header) => /^[0-9a-f]{32}$/.test(traceOf({ traceparent: header }, random, 0).traceId)),
    );
  });

  test('is sampled at the configured rate', () => {
    const count = Array.from({ length: 2000 }, () => traceOf({}, random, 0.1)).filter(({ isSampled }) => isSampled).length;
    assert(count > 140 && count < 260, String(count));
  });
});

async function collector(t: TestContext, status = 200) {
  const posted: { url: string; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      posted.push({ url: request.url ?? '', body });
      response.writeHead(status).end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.closeAllConnections());
  t.after(() => server.close());
  return { posted, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

const trace: RequestTrace = {
  name: 'infer digits',
  startMs: 1_764_000_000_000.25,
  endMs: 1_764_000_000_003.5,
  attributes: { endpoint: 'digits', rows: 2, late: false, usd: 0.5 },
  context: traceOf({ traceparent: sampled, tracestate: 'vendor=1' }, random, 0),
  stages: [{ name: 'queue', startMs: 1_764_000_000_000.25, endMs: 1_764_000_000_001, attributes: {} }],
  error: null,
};

function exporterTo(endpoint: string) {
  const clock = new VirtualClock();
  const failures: unknown[] = [];
  const exporter = new TraceExporter({
    endpoint,
    clock,
    version: '1',
    newSpanId: () => 'a'.repeat(16),
    onFailure: (error) => failures.push(error),
  });
  return { clock, exporter, failures };
}

describe('a collector', () => {
  test('gets a request and its stages in OTLP, exact to the nanosecond', async (t) => {
    const { posted, endpoint } = await collector(t);
    const { exporter } = exporterTo(endpoint);
    exporter.add(trace);
    exporter.add({ ...trace, error: 'it failed' });
    await exporter.close();
    assert.equal(posted[0]?.url, '/v1/traces');
    const document = JSON.parse(posted[0]?.body ?? '') as { resourceSpans: { scopeSpans: { spans: Record<string, unknown>[] }[] }[] };
    const spans = document.resourceSpans[0]?.scopeSpans[0]?.spans ?? [];
    const [own, queue] = spans;
    assert.deepEqual([spans.length, own?.kind, own?.parentSpanId, own?.status], [4, 2, '00f067aa0ba902b7', { code: 1 }]);
    assert.deepEqual([own?.startTimeUnixNano, own?.endTimeUnixNano], ['1764000000000250000', '1764000000003500000']);
    assert.deepEqual([queue?.name, queue?.parentSpanId, queue?.spanId], ['queue', own?.spanId, 'a'.repeat(16)]);
    assert.deepEqual([own?.traceState, queue?.traceState], ['vendor=1', 'vendor=1']);
    assert.deepEqual(own?.attributes, [
      { key: 'endpoint', value: { stringValue: 'digits' } },
      { key: 'rows', value: { intValue: '2' } },
      { key: 'late', value: { boolValue: false } },
      { key: 'usd', value: { doubleValue: 0.5 } },
    ]);
    assert.deepEqual(spans[2]?.status, { code: 2, message: 'it failed' });
  });

  test('that rejects them loses them and delays nothing', async (t) => {
    const { endpoint } = await collector(t, 503);
    const { exporter, failures } = exporterTo(endpoint);
    for (let i = 0; i < 5100; i++) exporter.add(trace);
    assert.equal(exporter.dropped, 100);
    await exporter.flush();
    assert.deepEqual([exporter.dropped, failures.length], [5100, 1]);
    assert.match(String(failures[0]), /answered 503/);
  });
});

describe('a request', () => {
  const clock = new VirtualClock(500);
  const line: RequestLine = {
    atMs: 1000,
    requestId: 'r1',
    endpoint: 'digits',
    variant: 'AllTraffic',
    version: '1',
    status: 'ok',
    rows: 1,
    batchRows: 4,
    closeReason: 'full',
    executor: 'instance:local.1',
    queueMs: 6,
    computeMs: 3,
    encodeMs: 0.5,
    totalMs: 10,
    costUsd: 1e-6,
  };

  test('becomes a span with consecutive stages if it is sampled', () => {
    const retained: RequestTrace[] = [];
    const traces = new RequestTraces({ add: (each) => retained.push(each) }, clock, random, 0);
    assert.equal(traces.begin('r1', { traceparent: sampled })?.parentId, '00f067aa0ba902b7');
    assert.equal(traces.begin('r2', {}), null);
    for (const requestId of ['r1', 'r2', 'r1']) traces.end({ ...line, requestId });
    assert.equal(retained.length, 1);
    const [{ stages, startMs, endMs, context } = trace] = retained;
    assert.deepEqual([startMs, endMs, context.parentId], [990, 1000, '00f067aa0ba902b7']);
    assert.deepEqual(
      stages.map(({ name, startMs: from, endMs: until }) => [name, from, until]),
      [
        ['queue', 990, 996],
        ['compute', 996, 999],
        ['encode', 999, 999.5],
      ],
    );
  });

  test('reports the batch wait and the cold start of a function', () => {
    const retained: RequestTrace[] = [];
    const traces = new RequestTraces({ add: (each) => retained.push(each) }, clock, random, 0);
    traces.begin('r1', { traceparent: sampled });
    traces.end({ ...line, batchWaitMs: 2, coldStart: true });
    const [{ stages, attributes } = trace] = retained;
    assert.equal(attributes['penstock.cold_start'], true);
    assert.deepEqual(
      stages.slice(0, 2).map(({ name, startMs, endMs, attributes: said }) => [name, startMs, endMs, said]),
      [
        ['batch_wait', 990, 992, {}],
        ['queue', 992, 996, { 'penstock.cold_start': true }],
      ],
    );
  });

  test('is exported once and removed if it was rejected before it reached a model', () => {
    const retained: RequestTrace[] = [];
    const traces = new RequestTraces({ add: (each) => retained.push(each) }, clock, random, 0);
    traces.begin('r1', { traceparent: sampled });
    for (let i = 0; i < 2; i++) traces.refuse('r1', { code: 'not_found', message: 'no endpoint missing' });
    traces.end(line);
    const reported = retained.map(({ name, startMs, endMs, error, attributes }) => [
      name,
      startMs,
      endMs,
      error,
      attributes['penstock.status'],
    ]);
    assert.deepEqual(reported, [['infer', 500, 500, 'no endpoint missing', 'not_found']]);
  });

  test('is not retained forever if it never ends, and reports its error if it failed', () => {
    const retained: RequestTrace[] = [];
    const traces = new RequestTraces({ add: (each) => retained.push(each) }, clock, random, 0);
    for (let i = 0; i < 20_001; i++) traces.begin(`r${i}`, { traceparent: sampled });
    traces.end({ ...line, requestId: 'r0' });
    traces.end({ ...line, requestId: 'r1', status: 'model_failed', error: 'index out of range' });
    assert.deepEqual(
      retained.map(({ error }) => error),
      ['index out of range'],
    );
  });
});
