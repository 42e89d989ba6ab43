/** The gRPC port: access beyond loopback, message limits, shutdown, and the choice of the port. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { credentials, status } from '@grpc/grpc-js';
import { at, definitionOf, framed, GrpcClient, grpcAddress, type Message, rawCall, rawConnection } from './grpc-client.ts';
import { until } from './poll.ts';
import { Server, type ServerOptions } from './server.ts';

async function withServer(options: ServerOptions, run: (server: Server) => Promise<void>): Promise<void> {
  const server = await Server.start(options);
  try {
    await run(server);
  } finally {
    await server.end();
  }
}

function affine(rows: number): object {
  const x = { name: 'x', datatype: 'FP32', shape: [rows, 3] };
  return { model_name: 'affine', inputs: [x], outputs: [{ name: 'y' }], raw_input_contents: [Buffer.alloc(12 * rows)] };
}

test('beyond loopback, gRPC uses TLS with the HTTP certificate and requires a key', async () => {
  await withServer({ flags: ['--host', '0.0.0.0', '--tls', 'self-signed', '--log-level', 'info'] }, async (server) => {
    const port = await until('the server logs its gRPC port', () => /grpc=0\.0\.0\.0:(\d+)/.exec(server.stderr)?.[1]);
    const certificate = readFileSync(join(server.dataDir, 'tls-cert.pem'));
    const names = { 'grpc.ssl_target_name_override': 'localhost' };
    const client = new GrpcClient(`127.0.0.1:${port}`, names, credentials.createSsl(certificate));
    const key = { metadata: { authorization: `Bearer ${server.adminKey}` } };
    assert.deepEqual((await client.call('ServerReady', {})).reply, { ready: true });
    assert.equal((await client.call('RepositoryIndex', {})).refused?.code, status.UNAUTHENTICATED);
    assert.equal((await client.call('ModelInfer', affine(1))).refused?.code, status.UNAUTHENTICATED);
    assert.deepEqual((await client.call('RepositoryIndex', {}, key)).reply, { models: [] });
    assert.equal((await client.call('ModelInfer', affine(1), key)).refused?.code, status.NOT_FOUND);
    client.close();
    const plain = new GrpcClient(`127.0.0.1:${port}`);
    assert.equal((await plain.call('ServerLive', {})).refused?.code, status.UNAVAILABLE);
    plain.close();
  });
});

test('the first connection, for which gRPC is loaded, may begin with a message larger than what a socket buffers', async () => {
  await withServer({}, async (server) => {
    await server.deploy('affine', 'test_affine');
    const client = new GrpcClient(await grpcAddress(server));
    const replies = await Promise.all([1, 100_000, 2].map((rows) => client.call('ModelInfer', affine(rows))));
    assert.deepEqual(
      replies.map(({ refused }) => refused),
      [null, null, null],
    );
    client.close();
  });
});

describe('a server with small limits', () => {
  const limitBytes = 64 * 1024;

  test('rejects messages above them, and messages of clients that read no responses, and serves others', async () => {
    await withServer({ flags: ['--body-limit', String(limitBytes), '--invocation-limit', String(limitBytes)] }, async (server) => {
      await server.deploy('affine', 'test_affine');
      const address = await grpcAddress(server);
      const client = new GrpcClient(address);
      const works = async (): Promise<void> => assert.equal((await client.call('ModelInfer', affine(1))).refused, null);
      assert.equal((await client.call('ModelInfer', affine(limitBytes / 12 + 1))).refused?.code, status.RESOURCE_EXHAUSTED);
      await works();

      const session = rawConnection(address, 0);
      const message = framed(definitionOf('ModelInfer').requestSerialize(affine(5000)));
      const codes: unknown[] = [];
      let open = 0;
      for (let count = 0; count < 60; count++) {
        const call = rawCall(session, 'ModelInfer');
        open++;
        call.on('error', () => {});
        call.on('response', (headers) => {
          if ('grpc-status' in headers) codes.push(Number(headers['grpc-status']));
        });
        call.on('close', () => open--);
        call.end(message);
      }
      // 16 messages of the largest size: 1 MiB, in answers of 60 kB.
      await until('most messages are rejected', () => codes.length >= 40);
      assert.deepEqual(new Set(codes), new Set([status.RESOURCE_EXHAUSTED]));
      assert(open >= 16, `${open} calls wait for their client to read`);
      const { refused } = await client.call('ModelInfer', affine(5000));
      assert.match(refused?.details ?? '', /read responses before sending more/);
      assert.equal(refused?.metadata['grpc-retry-pushback-ms'], '1000');
      session.destroy();
      await until('their budget is free again', async () => (await client.call('ModelInfer', affine(5000))).refused === null);
      client.close();
    });
  });
});

test('on shutdown, the server notifies watchers, ends streams, and does not wait forever for clients that read nothing', async () => {
  const server = await Server.start();
  try {
    await server.deploy('affine', 'test_affine');
    const client = new GrpcClient(await grpcAddress(server));
    assert.deepEqual((await client.call('Check', { service: '' }, {}, 'health')).reply, { status: 'SERVING' });
    assert.equal((await client.call('Check', { service: 'missing' }, {}, 'health')).refused?.code, status.NOT_FOUND);
    const [watched, unknown] = ['inference.GRPCInferenceService', 'missing'].map((service) => {
      const statuses: string[] = [];
      const watch = client.watch(service);
      watch.on('data', (message: Message) => statuses.push(String(at(message, 'status'))));
      watch.on('error', () => {});
      return { statuses, ended: once(watch, 'end') };
    });
    const stream = client.stream('ModelStreamInfer');
    const failed = once(stream, 'error');
    stream.write(affine(1));
    await once(stream, 'data');
    await until('both have a status', () => watched?.statuses.length === 1 && unknown?.statuses.length === 1);
    const session = rawConnection(await grpcAddress(server), 0);
    const unread = session.request({
      ':method': 'POST',
      ':path': definitionOf('Watch', 'health').path,
      'content-type': 'application/grpc',
    });
    for (const each of [session, unread]) each.on('error', () => {});
    unread.end(framed(Buffer.alloc(0)));
    await once(unread, 'response');
    server.signal('SIGTERM');
    const [error] = await failed;
    assert.equal(error.code, status.UNAVAILABLE);
    assert.match(error.details, /the server is shutting down/);
    await Promise.all([watched?.ended, unknown?.ended]);
    assert.deepEqual([watched?.statuses, unknown?.statuses], [['SERVING', 'NOT_SERVING'], ['SERVICE_UNKNOWN']]);
    assert.deepEqual(await server.ended, { code: 0, signal: null });
    client.close();
  } finally {
    await server.end();
  }
});

describe('the port', () => {
  test('can be turned off', async () => {
    await withServer({ flags: ['--grpc-port', 'off'] }, async (server) => {
      assert.equal((await server.callWell<{ grpc: unknown }>('GET', '/status')).grpc, null);
    });
  });

  // Loopback addresses that no other server uses.
  test('is 8001 by default; if that is in use, gRPC is off with a warning, unless the port was requested', async () => {
    const home = ['--host', '127.80.0.1', '--port', '8080'];
    await withServer({ flags: home }, async (server) => {
      assert.equal(await grpcAddress(server), '127.80.0.1:8001');
    });
    const other = createServer().listen(8001, '127.80.0.1');
    await once(other, 'listening');
    try {
      await withServer({ flags: home }, async (server) => {
        assert.equal((await server.callWell<{ grpc: unknown }>('GET', '/status')).grpc, null);
        assert.match(
          server.stderr,
          /gRPC is not served: cannot listen for gRPC on 127\.80\.0\.1:8001: another program is using it; choose another --grpc-port/,
        );
      });
      await assert.rejects(Server.start({ flags: [...home, '--grpc-port', '8001'] }), /cannot listen for gRPC on 127\.80\.0\.1:8001/);
    } finally {
      other.close();
    }
  });
});
