import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { gunzipSync } from 'node:zlib';
import { replyHeaders, sendInference } from './inference-reply.ts';

/** More than the buffers of a connection on loopback hold. */
const outputBytes = 16 * 1024 * 1024;
const output = Buffer.alloc(outputBytes, 'one of many rows of an output, ');
const json = '{"outputs":[]}';

/** The response of a server whose client begins to read it only when the server waits for it. */
async function slowlyRead(encoding: 'gzip' | null): Promise<Buffer> {
  const server = createServer((_, response) => {
    sendInference(response, replyHeaders('r1', 'application/octet-stream'), json, [output], encoding);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const sent = request({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
    sent.end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) {
      chunks.push(chunk as Buffer);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return Buffer.concat(chunks);
  } finally {
    server.close();
  }
}

test('a slow client gets each byte of a large output, although its memory is freed once it is written', async () => {
  assert.ok((await slowlyRead(null)).equals(Buffer.concat([Buffer.from(json), output])));
});

test('a compressed output has the same bytes', async () => {
  assert.ok(gunzipSync(await slowlyRead('gzip')).equals(Buffer.concat([Buffer.from(json), output])));
});

test('the tensors are copied: a caller may free them as soon as the response is sent', async () => {
  const tensor = Uint8Array.from(output.subarray(0, 1024 * 1024));
  const expected = Buffer.concat([Buffer.from(json), tensor]);
  const server = createServer((_, response) => {
    sendInference(response, replyHeaders('r1', 'application/octet-stream'), json, [tensor], null);
    tensor.buffer.transfer(0);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/`);
    assert.ok(Buffer.from(await response.arrayBuffer()).equals(expected));
  } finally {
    server.close();
  }
});
