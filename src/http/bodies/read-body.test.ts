import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, request as send } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BodyBudget } from './body-budget.ts';
import { readRequestBody } from './read-body.ts';

/** The body that a server reads from a client that sends it in pieces, and the received chunks. */
async function received(t: TestContext, pieces: readonly Buffer[], headers: Record<string, string | number>, limitBytes = 1e7) {
  const chunks: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<Promise<Buffer>>();
  const server = createServer((request: IncomingMessage, response) => {
    request.prependListener('data', (chunk: Buffer) => chunks.push(chunk));
    const body = readRequestBody(request, response, { limitBytes, budget: new BodyBudget(limitBytes) });
    body.catch(() => undefined).finally(() => response.end());
    resolve(body);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const client = send({ port: (server.address() as AddressInfo).port, method: 'POST', headers });
  client.on('error', () => undefined);
  for (const piece of pieces) client.write(piece);
  client.end();
  return { body: await promise, chunks };
}

const pieces = Array.from({ length: 12 }, (_, i) => Buffer.alloc(50_000 + i, i));
const whole = Buffer.concat(pieces);

test('reads a large body completely, with and without a declared length', async (t) => {
  for (const headers of [{ 'content-length': whole.length }, { 'transfer-encoding': 'chunked' }]) {
    const { body } = await received(t, pieces, headers);
    assert(whole.equals(body));
  }
});

test('releases the memory of all chunks once the body has arrived, without garbage collection', async (t) => {
  const { body, chunks } = await received(t, pieces, { 'content-length': whole.length });
  assert(chunks.length > 2);
  assert(chunks.every(({ buffer }) => (buffer as ArrayBuffer).detached));
  assert(whole.equals(body));
});

test('allocates little memory for a large declared length with few bytes sent', async (t) => {
  const announced = 400 * 1024 * 1024;
  const before = process.memoryUsage().arrayBuffers;
  const server = createServer((request, response) => {
    readRequestBody(request, response, { limitBytes: announced, budget: new BodyBudget(announced) }).catch(() => undefined);
    setImmediate(() => held.resolve(process.memoryUsage().arrayBuffers - before));
  });
  const held = Promise.withResolvers<number>();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => server.close());
  const client = send({ port: (server.address() as AddressInfo).port, method: 'POST', headers: { 'content-length': announced } });
  client.on('error', () => undefined);
  client.write('{');
  const bytes = await held.promise;
  client.destroy();
  assert(bytes < 10_000_000, `${bytes} bytes are held`);
});

test('does not copy a body that arrives in one chunk', async (t) => {
  const { body, chunks } = await received(t, [Buffer.from('{"inputs":[]}')], { 'content-length': 13 });
  assert.equal(body, chunks[0]);
  assert.equal(body.toString(), '{"inputs":[]}');
});

test('uses little more memory than its size for a body that arrives byte by byte', async (t) => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const held = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const bytes = 100_000;
  const measured = Promise.withResolvers<number>();
  const whole = Promise.withResolvers<Buffer>();
  const server = createServer((request, response) => {
    const before = held();
    let chunks = 0;
    readRequestBody(request, response, { limitBytes: 1e7, budget: new BodyBudget(1e7) }).then(whole.resolve, whole.reject);
    request.on('data', () => {
      if (++chunks === bytes) measured.resolve(held() - before);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
  socket.write('1\r\na\r\n'.repeat(bytes));
  const took = await measured.promise;
  assert(took < 50 * bytes, `${took} bytes are held for ${bytes}`);
  socket.write('0\r\n\r\n');
  assert.equal((await whole.promise).toString(), 'a'.repeat(bytes));
  socket.destroy();
});
