/** Requests within a caller's trace are exported with their stages to an OTLP collector. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { sample } from '../models/index.ts';
import { GrpcClient, grpcAddress } from './grpc-client.ts';
import { infer } from './oip-client.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

interface ExportedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code: number };
}

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';

test("requests over the Open Inference Protocol, gRPC and the native API are part of their caller's trace", async () => {
  const spans: ExportedSpan[] = [];
  const collector = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const reported = JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: ExportedSpan[] }[] }[] };
      spans.push(...reported.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
      response.end('{}');
    });
  });
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const otlp = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const server = await Server.start({ flags: ['--otlp-endpoint', otlp, '--trace-share', '0'] });
  try {
    await server.deploy('digits', 'digits_mlp');
    const headers = { traceparent: `00-${traceId}-${parentId}-01` };
    const { inputs } = sample('digits_mlp');
    assert.equal((await infer(server.url, 'digits', inputs, { headers })).status, 200);
    assert.equal((await infer(server.url, 'digits', inputs)).status, 200);
    const row = JSON.stringify({ instances: [Array.from({ length: 64 }, () => 0)] });
    const json = { ...headers, 'content-type': 'application/json' };
    const answer = await fetch(new URL('/api/v1/endpoints/digits/invoke', server.url), { method: 'POST', body: row, headers: json });
    assert.equal(answer.status, 200, await answer.text());
    const grpc = new GrpcClient(await grpcAddress(server));
    const tensors = inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] }));
    const requested = { model_name: 'digits', inputs: tensors, raw_input_contents: inputs.map(({ data }) => data) };
    const { refused } = await grpc.call('ModelInfer', requested, { metadata: headers });
    assert.equal(refused, null);
    await grpc.call('ModelInfer', { model_name: 'missing' }, { metadata: headers });
    grpc.close();
    assert.equal((await infer(server.url, 'missing', inputs, { headers })).status, 404);
    await until('all spans were exported', () => spans.filter(({ name }) => name.startsWith('infer')).length === 5);
    const refusals = spans.filter(({ name }) => name === 'infer');
    assert.deepEqual(
      refusals.map(({ traceId: trace, parentSpanId, status }) => [trace, parentSpanId, status.code]),
      [
        [traceId, parentId, 2],
        [traceId, parentId, 2],
      ],
    );
    const requests = spans.filter(({ name }) => name === 'infer digits');
    for (const request of requests) {
      assert.deepEqual([request.traceId, request.parentSpanId], [traceId, parentId]);
      const stages = spans.filter(({ parentSpanId }) => parentSpanId === request.spanId);
      assert(stages.some(({ name }) => name === 'compute'));
      for (const stage of stages) {
        assert(BigInt(stage.startTimeUnixNano) >= BigInt(request.startTimeUnixNano));
        assert(BigInt(stage.endTimeUnixNano) <= BigInt(request.endTimeUnixNano));
      }
    }
  } finally {
    await server.end();
    collector.closeAllConnections();
    collector.close();
  }
});
