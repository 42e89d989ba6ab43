/**
 * The contract of all adapters that run inferences: the same counts, log line, trace, receipt, capture, cancellation and rejection,
 * whatever the protocol. Each exception is named, with the property of the protocol that requires it.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { PlatformError } from '../src/errors.ts';
import { until } from './end-to-end/poll.ts';
import { awsOutcomes, type Call, exchangeAdapters, httpOutcomes, type SendOptions } from './exchange-adapters.ts';
import type { Sent } from './exchange-bodies.ts';
import { type Exchanges, openExchanges, type Recorded } from './exchange-fixture.ts';
import { type Endpoint, timeoutMs } from './exchange-models.ts';

let exchanges: Exchanges;
before(async () => {
  exchanges = await openExchanges();
});
after(() => exchanges?.close());

for (const protocol of exchangeAdapters) {
  const { name, outcomes, isProcess = false, isQueued = false, isMessage = false, isWhole = false } = protocol;
  const adapter = {
    endpoint: protocol.endpoint,
    send: (sent: Sent, endpoint: Endpoint = protocol.endpoint, options: SendOptions = {}): Call =>
      protocol.send(exchanges.clients, sent, endpoint, options),
  };
  describe(name, { timeout: 120_000 }, () => {
    beforeEach(async () => {
      await exchanges.begin();
    });
    afterEach(async () => {
      exchanges.restore();
      await exchanges.finishRuns();
    });

    const outcomeOf = async (call: Call, code: string): Promise<void> => assert.equal(await call.outcome, outcomes[code]);
    /** One line in the request log, one count, one trace; `rows` of the request. */
    const assertRecorded = async (status: string, line = `${status} 0`, captured: readonly string[] = []): Promise<void> => {
      const counted =
        status === 'ok' ? { ok: 1, billed: 1, successes: 1 } : status === 'cancelled' ? { cancelled: 1 } : { [status]: 1, failures: 1 };
      const traces = isQueued ? [] : [status];
      const expected: Recorded = { lines: [line], counted, traces, captured, accessLines: [] };
      assert.deepEqual(await exchanges.recorded(), expected);
    };
    /** The request reached no model: a line in the access log instead of the request log. */
    const assertRejectedOnEntry = async (code: string): Promise<void> => {
      const status = outcomes[code]?.match(/^\d+/)?.[0] ?? String(httpOutcomes[code]?.slice(0, 3));
      const expected: Recorded = {
        lines: [],
        counted: {},
        traces: isQueued ? [] : [code],
        captured: [],
        accessLines: isQueued ? [] : [status],
      };
      assert.deepEqual(await exchanges.recorded(), expected);
    };
    const running = (): Promise<unknown> => until('the model runs', () => exchanges.runs.length > 0);
    const waiting = (): Promise<unknown> => until('the request waits', () => exchanges.waiting(adapter.endpoint) > 0);
    const hasLine = (): Promise<unknown> => until('the request is in the log', () => exchanges.lines.length > 0);
    /** A shadow variant gets copies of failed requests, too. */
    const failed = ['failed: input'];
    const isProcessed = { skip: isProcess ? 'bytes are not decoded' : false };
    const arrives = { skip: isQueued || isMessage ? 'its body is whole' : false };

    test('counts, logs, traces, prices and captures a request once', async () => {
      const call = adapter.send({ rows: 1 });
      await running();
      await exchanges.finishRuns();
      await outcomeOf(call, 'ok');
      call.leave();
      await assertRecorded('ok', 'ok 1', [...(isProcess ? [] : ['part 0: 1']), 'end: input, output']);
    });

    test('counts, logs, traces and prices a request of several batches once', isProcessed, async () => {
      const call = adapter.send({ rows: 5 });
      await running();
      await exchanges.finishRuns();
      await outcomeOf(call, 'ok');
      const parts = isWhole ? ['part 0: 5'] : ['part 0: 2', 'part 1: 2', 'part 2: 1'];
      await assertRecorded('ok', 'ok 5 in 3', [...parts, 'end: input, output']);
    });

    for (const sent of ['undecodable', 'long and undecodable'] as const) {
      test(`counts a body that is ${sent} as a failure without rows`, isProcessed, async () => {
        await outcomeOf(adapter.send(sent), 'invalid_request');
        await assertRecorded('invalid_request');
      });
    }

    test('counts a body that is too large as a failure', arrives, async () => {
      await outcomeOf(adapter.send('too large'), 'too_large');
      await assertRecorded('too_large');
    });

    test('rejects an unknown endpoint on entry', async () => {
      await outcomeOf(adapter.send({ rows: 1 }, 'nothing'), 'not_found');
      await assertRejectedOnEntry('not_found');
    });

    test('rejects an endpoint that is not served yet on entry, as retryable where the protocol can say so', async () => {
      const code = outcomes === awsOutcomes || isQueued ? 'not_found' : 'unavailable';
      await outcomeOf(adapter.send({ rows: 1 }, 'starting'), code);
      await assertRejectedOnEntry(code);
    });

    test('counts a request that finds the queue full', async () => {
      exchanges.stopInstance(adapter.endpoint);
      exchanges.fillQueue(adapter.endpoint);
      await outcomeOf(adapter.send({ rows: 1 }), 'overloaded');
      await assertRecorded('overloaded', 'overloaded 1', failed);
    });

    test('counts a request whose timeout passes in the queue', async () => {
      exchanges.stopInstance(adapter.endpoint);
      const call = adapter.send({ rows: 1 });
      await waiting();
      exchanges.clock.advance(timeoutMs + 1);
      await outcomeOf(call, 'deadline_exceeded');
      await assertRecorded('deadline_exceeded', 'deadline_exceeded 1', failed);
    });

    test('counts a request that its model fails', async () => {
      const call = adapter.send({ rows: 1 });
      await running();
      for (const run of exchanges.runs.splice(0)) run.fail(new PlatformError('model_failed', 'it failed'));
      await outcomeOf(call, 'model_failed');
      await assertRecorded('model_failed', 'model_failed 1', failed);
    });

    test('cancels a request whose client disconnects while it waits: it is never run', async () => {
      exchanges.stopInstance(adapter.endpoint);
      const call = adapter.send({ rows: 1 });
      await waiting();
      call.leave();
      assert.equal(await call.outcome, 'left');
      await hasLine();
      assert.equal(exchanges.waiting(adapter.endpoint), 0);
      await assertRecorded('cancelled', 'cancelled 1');
      exchanges.restore();
      assert.equal(exchanges.runs.length, 0);
    });

    test('cancels a request whose client disconnects while the model runs', async () => {
      const call = adapter.send({ rows: 1 });
      await running();
      call.leave();
      assert.equal(await call.outcome, 'left');
      await hasLine();
      await exchanges.finishRuns();
      await assertRecorded('cancelled', 'cancelled 1');
    });

    const isLong = { skip: isProcess || isMessage ? 'its bodies are never decoded in a thread' : false };
    test('cancels a request whose client disconnects while its body is decoded in a thread: it is never run', isLong, async () => {
      const held = exchanges.holdThreads();
      const call = adapter.send('long');
      await held.reached();
      call.leave();
      assert.equal(await call.outcome, 'left');
      await exchanges.disconnected();
      held.release();
      await hasLine();
      assert.equal(exchanges.runs.length, 0);
      await assertRecorded('cancelled');
    });

    test('forgets a request whose client disconnects before its body is whole', arrives, async () => {
      const call = adapter.send('long', adapter.endpoint, { isPartial: true });
      await exchanges.connected();
      call.leave();
      assert.equal(await call.outcome, 'left');
      await exchanges.disconnected();
      const expected: Recorded = { lines: [], counted: {}, traces: ['invalid_request'], captured: [], accessLines: [] };
      assert.deepEqual(await exchanges.recorded(), expected);
    });
  });
}

describe('a stream of values', { timeout: 120_000 }, () => {
  beforeEach(() => exchanges.begin());
  const invoke = '/api/v1/endpoints/stream/invoke';
  const generate = '/v2/models/stream/generate';
  const texts = '{"values":["one ","two\\n"]}';
  const objects = '{"values":[{"a":1},[2]]}';
  const failing = '{"values":["one",null]}';
  const head = '"model_name":"stream","model_version":"1"';
  const events = 'text/event-stream';
  const eventsType = 'text/event-stream; charset=utf-8';
  const lines = 'application/x-ndjson';
  const linesType = 'application/jsonlines';

  for (const { what, path, body, accept, type, text } of [
    { what: 'texts, unchanged', path: invoke, body: texts, accept: '*/*', type: 'text/plain; charset=utf-8', text: 'one two\n' },
    { what: 'texts as events', path: invoke, body: texts, accept: events, type: eventsType, text: 'data: one \n\ndata: two\ndata: \n\n' },
    { what: 'texts as lines', path: invoke, body: texts, accept: lines, type: linesType, text: '"one "\n"two\\n"\n' },
    { what: 'JSON, a line each', path: invoke, body: objects, accept: undefined, type: 'application/jsonl', text: '{"a":1}\n[2]\n' },
    { what: 'JSON as events', path: invoke, body: objects, accept: events, type: eventsType, text: 'data: {"a":1}\n\ndata: [2]\n\n' },
    {
      what: 'texts by generate_stream',
      path: `${generate}_stream`,
      body: texts,
      accept: undefined,
      type: eventsType,
      text: `data: {${head},"text_output":"one "}\n\ndata: {${head},"text_output":"two\\n"}\n\n`,
    },
    {
      what: 'JSON by generate_stream, as lines',
      path: `${generate}_stream`,
      body: objects,
      accept: lines,
      type: linesType,
      text: `{${head},"a":1}\n{${head},"output":[2]}\n`,
    },
    {
      what: 'texts by generate',
      path: generate,
      body: texts,
      accept: undefined,
      type: 'application/json',
      text: `{${head},"text_output":"one two\\n"}`,
    },
    {
      what: 'JSON by generate',
      path: generate,
      body: objects,
      accept: undefined,
      type: 'application/json',
      text: `{${head},"output":[{"a":1},[2]]}`,
    },
  ]) {
    test(`is sent as ${what}`, async () => {
      assert.deepEqual(await exchanges.stream(path, body, accept), { status: 200, type, text });
      const [line] = (await exchanges.recorded()).lines;
      assert.equal(line, 'ok 1');
    });
  }

  test('is sent as payload parts by InvokeEndpointWithResponseStream, in the form that Accept names', async () => {
    for (const [accept, type, parts] of [
      [undefined, 'text/plain; charset=utf-8', /one .*PayloadPart.*two\n/s],
      [events, eventsType, /data: one \n\n.*PayloadPart.*data: two\ndata: \n\n/s],
    ] as const) {
      const answer = await exchanges.stream('', texts, accept, 'invocations-response-stream');
      assert.deepEqual([answer.status, answer.type], [200, type]);
      assert.match(answer.text, parts);
    }
    const whole = await exchanges.stream('', texts, undefined, 'invocations');
    assert.deepEqual(whole, { status: 200, type: 'text/plain; charset=utf-8', text: 'one two\n' });
  });

  test('ends with an event of the error if the model fails in the middle, or breaks off', async () => {
    const native = await exchanges.stream(invoke, failing, events);
    assert.equal(native.text, 'data: one\n\nevent: error\ndata: {"code":"model_failed","error":"the model failed: ValueError"}\n\n');
    const generated = await exchanges.stream(`${generate}_stream`, failing, undefined);
    assert.match(generated.text, /"text_output":"one"\}\n\nevent: error\ndata: \{"error":"the model failed: ValueError"\}\n\n$/);
    for (const path of [invoke, `${generate}_stream`]) {
      assert.deepEqual((await exchanges.stream(path, failing, lines)).text, 'broken off');
    }
    const infer = await exchanges.stream('/v2/models/stream/infer', '{}', undefined);
    assert.equal(infer.status, 501);
    assert.match(infer.text, /accepts raw bytes, not tensors; use POST \/api\/v1\/endpoints\/stream\/invoke/);
  });
});

test('a status that a model chose for its caller reaches the client', async () => {
  for (const [name, status] of [
    ['OIP infer', '404 invalid_request'],
    ['native invoke of rows of JSON', '404 invalid_request'],
    ['InvokeEndpoint of JSON lines', '424 ModelError'],
  ] as const) {
    await exchanges.begin();
    const adapter = exchangeAdapters.find((each) => each.name === name);
    const call = adapter?.send(exchanges.clients, { rows: 1 }, adapter.endpoint, {});
    await until('the model runs', () => exchanges.runs.length > 0);
    const error = new PlatformError('invalid_request', 'no such customer', { callerStatus: 404 });
    for (const run of exchanges.runs.splice(0)) run.fail(error);
    assert.equal(await call?.outcome, status);
    await exchanges.finishRuns();
  }
});
