import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientRequest, createServer, type IncomingMessage, request as send } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { until } from '../../../test/end-to-end/poll.ts';
import { errorBody, errorHeaders, httpStatus } from '../../connections/index.ts';
import { respond } from '../respond.ts';
import { BodyBudget, smallBodyBytes } from './body-budget.ts';
import { readRequestBodyInto } from './read-body.ts';

const limitBytes = 2 ** 20;
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

class BodyServer {
  readonly budget: BodyBudget;
  readonly #server = createServer((request, response) => {
    this.#open++;
    request.on('data', (chunk: Buffer) => {
      this.arrivedBytes += chunk.length;
      this.#noteHeld();
    });
    response.once('close', () => this.#open--);
    readRequestBodyInto(request, response, { limitBytes, budget: this.budget }, (error, body) => {
      this.#noteHeld();
      if (error !== null) {
        this.refused++;
        const headers = Object.entries(errorHeaders(error)).flat();
        respond(request, response, httpStatus[error.code], headers, errorBody(error, 'r'));
      } else if (request.url === '/kept' && this.#keeps) this.kept.push(() => respond(request, response, 200, [], String(body.length)));
      else respond(request, response, 200, [], String(body.length));
    });
  });
  /** Pending responses to `/kept`. */
  readonly kept: (() => void)[] = [];
  arrivedBytes = 0;
  refused = 0;
  heldMost = 0;
  #open = 0;
  #keeps = true;

  constructor(bytesMax: number) {
    this.budget = new BodyBudget(bytesMax);
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    closers.push(() => {
      this.#server.closeAllConnections();
      return new Promise((resolve) => this.#server.close(resolve));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Responds to all pending and later requests. */
  keepNone(): void {
    this.#keeps = false;
    for (const answerIt of this.kept.splice(0)) answerIt();
  }

  async empty(): Promise<void> {
    await until('every request is over', () => this.#open === 0);
  }

  #noteHeld(): void {
    this.heldMost = Math.max(this.heldMost, this.budget.bytes);
  }
}

async function serve(bytesMax: number): Promise<BodyServer> {
  const server = new BodyServer(bytesMax);
  await server.listen();
  return server;
}

/** A client that has sent only a part of its body. */
async function slowClient(port: number, sentBytes: number, announcedBytes: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(`POST /kept HTTP/1.1\r\nhost: x\r\ncontent-length: ${announcedBytes}\r\n\r\n`);
  socket.write(Buffer.alloc(sentBytes));
  return socket;
}

interface Replied {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

async function reply(client: ClientRequest): Promise<Replied> {
  const [message] = (await once(client, 'response')) as [IncomingMessage];
  const text = Buffer.concat(await message.toArray()).toString();
  return { status: message.statusCode, headers: message.headers, text };
}

function post(port: number, body: Buffer, headers: Record<string, string> = {}, path = '/'): Promise<Replied> {
  const client = send({ port, method: 'POST', path, headers: { ...headers, 'content-length': body.length }, agent: false });
  client.end(body);
  return reply(client);
}

test('bounds the memory of hundreds of slow clients, serves others meanwhile, and releases everything', async () => {
  const server = await serve(4 * 2 ** 20);
  const [clients, sent] = [300, 200_000];
  const sockets = await Promise.all(Array.from({ length: clients }, () => slowClient(server.port, sent, limitBytes)));
  for (const socket of sockets) socket.resume();
  // Rejected clients are read a little longer, so that they get the response.
  await until('everything sent has arrived', () => server.arrivedBytes === clients * sent);
  assert(server.heldMost <= server.budget.bytesMax, `${server.heldMost} bytes were held`);
  assert(server.budget.bytes > server.budget.bytesMax - 2 * limitBytes, 'the others hold what they sent');
  assert(server.refused >= clients - server.budget.bytesMax / smallBodyBytes, `${server.refused} were refused`);
  assert.equal(server.budget.refused, server.refused);

  assert.equal((await post(server.port, Buffer.alloc(smallBodyBytes))).status, 200);
  const refused = await post(server.port, Buffer.alloc(limitBytes));
  assert.equal(refused.status, 503);
  assert.equal(refused.headers['retry-after'], '1');
  assert.match(refused.text, /memory for request bodies is exhausted: \d+ bytes are in use, the limit is 3932160.*retry later/);

  for (const socket of sockets) socket.destroy();
  await server.empty();
  assert.equal(server.budget.bytes, 0);
  assert.equal((await post(server.port, Buffer.alloc(limitBytes))).status, 200);
});

test('counts received bytes, not the declared length, until the response is sent', async () => {
  const server = await serve(1.5 * limitBytes);
  const idle = await slowClient(server.port, 10, limitBytes);
  const body = Buffer.alloc(limitBytes - 1);
  const first = post(server.port, body, {}, '/kept');
  await until('the body is here', () => server.kept.length === 1);
  assert.equal(server.budget.bytes, body.length);
  assert.equal((await post(server.port, body)).status, 503);
  server.kept[0]?.();
  assert.equal((await first).status, 200);
  assert.equal((await post(server.port, body)).status, 200);
  idle.destroy();
  await server.empty();
  assert.equal(server.budget.bytes, 0);
});

test('counts the decompressed size of a body', async () => {
  const server = await serve(2 * limitBytes);
  const packed = gzipSync(Buffer.alloc(limitBytes));
  assert(packed.length < smallBodyBytes);
  const replies = Array.from({ length: 20 }, () => post(server.port, packed, { 'content-encoding': 'gzip' }, '/kept'));
  await until('all are kept or refused', () => server.refused + server.kept.length === 20);
  assert(server.refused >= 18 && server.heldMost <= server.budget.bytesMax);
  server.keepNone();
  const statuses = (await Promise.all(replies)).map(({ status }) => status);
  assert.equal(statuses.filter((status) => status === 503).length, server.refused);
  await server.empty();
  assert.equal(server.budget.bytes, 0);
});

test('reserves a part of the budget for small messages', () => {
  const budget = new BodyBudget(16 * limitBytes);
  assert(budget.reserve(15 * limitBytes));
  assert(!budget.reserve(smallBodyBytes + 1));
  assert(!budget.reserve(1, smallBodyBytes + 1), 'the last byte of a large one');
  assert(budget.reserve(smallBodyBytes));
  budget.add(limitBytes - smallBodyBytes);
  assert(!budget.reserve(1));
  assert.deepEqual([budget.bytes, budget.refused], [budget.bytesMax, 3]);
});

const large = fc.integer({ min: 1, max: 400_000 });

/** Actions of one client, in this order; different clients interleave arbitrarily. */
const visit = fc.record({
  kind: fc.constantFrom('declared', 'chunked', 'gzip'),
  isKept: fc.boolean(),
  pieces: fc.array(large, { minLength: 1, maxLength: 4 }),
  /** Disconnects before sending this piece; if larger than the number of pieces, waits for the response. */
  leavesBefore: fc.integer({ min: 0, max: 8 }),
});

const visits = fc.array(visit, { minLength: 1, maxLength: 12 }).chain((all) => {
  const turns = all.flatMap(({ pieces }, client) => [...pieces, null].map(() => client));
  return fc.record({ all: fc.constant(all), turns: fc.shuffledSubarray(turns, { minLength: turns.length }) });
});

test('in any order of arrival, rejection, response and disconnect, never exceeds the budget and releases everything', async () => {
  await fc.assert(
    fc.asyncProperty(visits, async ({ all, turns }) => {
      const server = await serve(limitBytes);
      const clients = all.map(({ kind, isKept, pieces }) => {
        const whole = Buffer.alloc(pieces.reduce((sum, piece) => sum + piece, 0));
        const body = kind === 'gzip' ? gzipSync(whole) : whole;
        const length = kind === 'chunked' ? { 'transfer-encoding': 'chunked' } : { 'content-length': body.length };
        const headers = { ...length, ...(kind === 'gzip' ? { 'content-encoding': 'gzip' } : {}) };
        const client = send({ port: server.port, method: 'POST', path: isKept ? '/kept' : '/', headers, agent: false });
        client.on('error', () => undefined);
        client.on('response', (message) => message.resume());
        client.flushHeaders();
        return { client, body, sent: 0, at: 0, gone: new Promise((resolve) => client.once('close', resolve)) };
      });
      for (const index of turns) {
        const [plan, state] = [all[index], clients[index]];
        assert(plan !== undefined && state !== undefined);
        const { client, body } = state;
        if (state.at === plan.leavesBefore) client.destroy();
        else if (state.at === plan.pieces.length) client.end(body.subarray(state.sent));
        else {
          const end = Math.min(body.length, state.sent + (plan.pieces[state.at] ?? 0));
          client.write(body.subarray(state.sent, end));
          state.sent = end;
        }
        state.at++;
        // Lets the server process what was sent.
        await new Promise(setImmediate);
        if (index % 3 === 0) server.kept.shift()?.();
      }
      const isOver = Promise.all(clients.map(({ gone }) => gone));
      server.keepNone();
      await isOver;
      await server.empty();
      assert.equal(server.budget.bytes, 0);
      assert(server.heldMost <= server.budget.bytesMax, `${server.heldMost} bytes were held`);
    }),
    { numRuns: 40 },
  );
});
