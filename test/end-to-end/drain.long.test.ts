/** SIGTERM: the server reports that it is not ready, and no active client sees a connection reset. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { GrpcClient, grpcAddress, type Refused } from './grpc-client.ts';
import { until } from './poll.ts';
import { Server } from './server.ts';

let server: Server;

before(async () => {
  server = await Server.start({ flags: ['--drain', '10s', '--log-level', 'info'] });
  await server.deploy('affine', 'test_affine');
});
after(async () => server.end());

const tensor = { name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] };
const message = { model_name: 'affine', inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3] }], raw_input_contents: [Buffer.alloc(12)] };

/** Calls repeatedly until a call fails. */
async function callUntilFailure(address: string): Promise<{ answered: number; end: Refused; wasNotReady: boolean }> {
  const client = new GrpcClient(address);
  let wasNotReady = false;
  try {
    for (let answered = 0; ; answered++) {
      const { refused } = await client.call('ModelInfer', message);
      if (refused !== null) return { answered, end: refused, wasNotReady };
      const { reply } = await client.call('ServerReady', {});
      if (reply !== null && 'ready' in reply && reply.ready === false) wasNotReady = true;
    }
  } finally {
    client.close();
  }
}

test('a server that gets SIGTERM resets no HTTP or gRPC connection, and exits with 0', async () => {
  const url = `${server.url}/v2/models/affine/infer`;
  const program = join(import.meta.dirname, 'keep-alive-clients.ts');
  const running = promisify(execFile)(process.execPath, [program, url, '32', JSON.stringify({ inputs: [tensor] })]);
  const { stdout } = running.child;
  assert(stdout !== null);
  await once(stdout, 'data');
  const address = await grpcAddress(server);
  const callers = Array.from({ length: 4 }, () => callUntilFailure(address));
  await until('requests are answered', async () => (await server.metric('penstock_rows_total')) > 200);

  server.signal('SIGTERM');
  const ready = await until('the server reports that it is not ready', async () => {
    const response = await fetch(`${server.url}/v2/health/ready`);
    return response.status === 503 && (await response.text());
  });
  assert.match(ready, /the server is shutting down/);
  assert.equal((await server.callWell<{ ready: boolean }>('GET', '/status')).ready, false);

  assert.deepEqual(await server.ended, { code: 0, signal: null });
  const { ends, statuses } = JSON.parse((await running).stdout.split('\n').at(-2) ?? '') as Record<string, Record<string, number>>;
  assert.deepEqual(ends, { ECONNREFUSED: 32 });
  assert.deepEqual(Object.keys(statuses ?? {}), ['200']);
  for (const { answered, end, wasNotReady } of await Promise.all(callers)) {
    assert(answered > 0);
    assert(wasNotReady, 'the server reports not ready before it closes connections');
    assert.equal(end.code, status.UNAVAILABLE);
    // On a busy machine, the client's time to connect can end before the port refuses it.
    assert.match(end.details, /ECONNREFUSED|No connection established/);
  }
  assert.match(server.stderr, /draining/);
});
