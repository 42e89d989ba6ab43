import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { until } from '../../../test/end-to-end/poll.ts';
import { VirtualClock } from '../../clock.ts';
import { errorBody, errorHeaders, httpStatus } from '../../connections/index.ts';
import { BodyBudget } from '../bodies/body-budget.ts';
import { readRequestBodyInto } from '../bodies/read-body.ts';
import { respond } from '../respond.ts';
import { garbageCollector, memoryMeter, OverloadGuard, type Pressure, pressureOf, type ServerMemory } from './overload-guard.ts';

const mebibyte = 2 ** 20;

describe('memory pressure', () => {
  const use = (heap: number, rss: number): ServerMemory => ({
    heapUsedBytes: heap * 1000 * mebibyte,
    heapLimitBytes: 1000 * mebibyte,
    rssBytes: rss * 2000 * mebibyte,
    rssLimitBytes: 2000 * mebibyte,
  });

  for (const { heap, rss, before, pressure } of [
    { heap: 0.5, rss: 0.5, before: 'normal', pressure: 'normal' },
    { heap: 0.86, rss: 0.1, before: 'normal', pressure: 'high' },
    { heap: 0.1, rss: 0.86, before: 'normal', pressure: 'high' },
    { heap: 0.1, rss: 0.82, before: 'high', pressure: 'high' },
    { heap: 0.1, rss: 0.82, before: 'normal', pressure: 'normal' },
    { heap: 0.94, rss: 0.1, before: 'normal', pressure: 'critical' },
    { heap: 0.9, rss: 0.1, before: 'critical', pressure: 'critical' },
    { heap: 0.87, rss: 0.1, before: 'critical', pressure: 'high' },
    { heap: 0.79, rss: 0.1, before: 'critical', pressure: 'normal' },
  ] as const) {
    test(`is ${pressure} with ${heap} of the heap and ${rss} of the memory in use, after ${before}`, () => {
      assert.equal(pressureOf(use(heap, rss), before).pressure, pressure);
    });
  }

  test('names the memory that is short', () => {
    assert.equal(pressureOf(use(0.9, 0.5)).reason, 'the heap uses 900 of 1,000 MiB');
    assert.equal(pressureOf(use(0.5, 0.9)).reason, 'the process uses 1,800 of 2,000 MiB');
  });
});

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** A server that holds requests until `answerAll`, with simulated memory. */
class GuardedServer {
  readonly clock = new VirtualClock();
  readonly budget = new BodyBudget(1000 * mebibyte);
  readonly held: Exchange[] = [];
  readonly abandoned: string[] = [];
  readonly lines: string[] = [];
  memory: ServerMemory = { heapUsedBytes: 0, heapLimitBytes: 1000, rssBytes: 0, rssLimitBytes: 1000 };
  collected = 0;
  readonly guard = new OverloadGuard({
    clock: this.clock,
    budget: this.budget,
    log: { warn: (_: object, text: string) => void this.lines.push(text), info: (_: object, text: string) => void this.lines.push(text) },
    memoryUse: () => this.memory,
    collectGarbage: () => this.collected++,
  });
  readonly #server = createServer((request, response) => {
    response.once('close', () => {
      if (!response.writableEnded) this.abandoned.push(request.url ?? '');
    });
    readRequestBodyInto(request, response, { limitBytes: 100 * mebibyte, budget: this.budget }, (error) => {
      if (error === null) this.held.push({ request, response });
      else respond(request, response, httpStatus[error.code], Object.entries(errorHeaders(error)).flat(), errorBody(error, 'r'));
    });
  });

  constructor() {
    this.guard.start();
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  post(path: string, bytes: number, sentBytes = bytes): ReturnType<typeof responseOf> {
    const { port } = this.#server.address() as AddressInfo;
    const headers = { 'content-length': bytes };
    const sent = send({ port, host: '127.0.0.1', path, method: 'POST', headers, agent: false });
    sent.write(Buffer.alloc(sentBytes));
    if (sentBytes === bytes) sent.end();
    return responseOf(sent);
  }

  at(pressure: Pressure): void {
    const rssBytes = { normal: 100, high: 900, critical: 990 }[pressure];
    this.memory = { ...this.memory, rssBytes };
    this.clock.advance(100);
  }

  answerAll(): void {
    for (const { request, response } of this.held.splice(0)) respond(request, response, 200, [], 'done');
  }

  close(): void {
    this.guard.stop();
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

async function responseOf(sent: ClientRequest): Promise<{ readonly status: number; readonly retryAfter: string; readonly text: string }> {
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const text = Buffer.concat(await response.toArray()).toString();
  return { status: response.statusCode ?? 0, retryAfter: String(response.headers['retry-after']), text };
}

async function guarded(run: (server: GuardedServer) => Promise<void>): Promise<void> {
  const server = new GuardedServer();
  await server.listen();
  try {
    await run(server);
  } finally {
    server.close();
  }
}

describe('near the limit of memory', () => {
  test('rejects new large bodies with 503 and Retry-After, but neither small ones nor those in memory', () =>
    guarded(async (server) => {
      const held = server.post('/held', 4 * mebibyte);
      await until('it is held', () => server.held.length === 1);
      server.at('high');
      const { status, retryAfter, text } = await server.post('/large', 2 * mebibyte);
      assert.deepEqual([status, retryAfter], [503, '1']);
      assert.match(text, /short of memory and currently accepts bodies of up to 1048576 bytes: the process uses/);
      const small = server.post('/small', 500_000);
      await until('the small one is held', () => server.held.length === 2);
      server.answerAll();
      assert.deepEqual([(await held).status, (await small).status], [200, 200]);
      server.at('normal');
      const large = server.post('/large', 2 * mebibyte);
      await until('it is held', () => server.held.length === 1);
      server.answerAll();
      assert.equal((await large).status, 200);
      assert.equal(server.collected, 1);
      assert.match(server.lines[0] ?? '', /^memory pressure is high: .*; large bodies are rejected$/);
      assert.match(server.lines[1] ?? '', /^memory pressure is over/);
    }));

  test('fails only the largest request until its memory is released', () =>
    guarded(async (server) => {
      const answers = [4, 8, 2].map((size) => server.post(`/${size}`, size * mebibyte));
      await until('all are held', () => server.held.length === 3);
      server.at('critical');
      server.clock.advance(400);
      assert.equal(server.guard.failed, 1);
      server.clock.advance(100);
      const failed = await answers[1];
      assert.deepEqual([failed?.status, failed?.retryAfter], [503, '5']);
      assert.match(failed?.text ?? '', /short of memory, and this was its largest request/);
      // The handler sees a disconnected client.
      await until('its work is over', () => server.abandoned.length === 1);
      assert.deepEqual(server.abandoned, ['/8']);
      server.at('normal');
      server.answerAll();
      assert.deepEqual([(await answers[0])?.status, (await answers[2])?.status], [200, 200]);
      assert.equal(server.budget.bytes, 0);
    }));

  test('closes the connection of a failed request whose client has stopped sending', () =>
    guarded(async (server) => {
      const stalled = server.post('/stalled', 20 * mebibyte, 10 * mebibyte);
      const cut = assert.rejects(stalled, { code: 'ECONNRESET' });
      await until('it holds all that was sent', () => server.budget.bytes >= 10 * mebibyte);
      server.at('critical');
      server.clock.advance(500);
      await cut;
      assert.equal(server.budget.bytes, 0);
      assert.equal(server.guard.failed, 1);
    }));

  test('does not fail a small request', () =>
    guarded(async (server) => {
      const answered = server.post('/little', 100_000);
      await until('it is held', () => server.held.length === 1);
      server.at('critical');
      server.clock.advance(2000);
      assert.equal(server.guard.failed, 0);
      server.answerAll();
      assert.equal((await answered).status, 200);
    }));
});

test('reads the real memory and runs the real garbage collector', () => {
  const use = memoryMeter(null)();
  assert(use.rssBytes > 10 * mebibyte && use.rssBytes < use.rssLimitBytes);
  assert(use.heapUsedBytes < use.heapLimitBytes);
  assert.equal(memoryMeter(123)().rssLimitBytes, 123);
  garbageCollector().all();
});
