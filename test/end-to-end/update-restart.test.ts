/** An update interrupted by a kill continues with the next server, and requests are answered meanwhile, over each API. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { InvokeEndpointCommand, SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import type { EndpointBody, RequestBody } from '../../src/api/index.ts';
import { until } from './poll.ts';
import { type Refusal, Server, temporaryDirectory } from './server.ts';

const dataDir = temporaryDirectory();
const servers: Server[] = [];
after(async () => {
  for (const server of servers) await server.end();
  rmSync(dataDir, { recursive: true, force: true });
});

async function start(flags: readonly string[] = []): Promise<Server> {
  const server = await Server.start({ dataDir, flags });
  servers.push(server);
  return server;
}

const body = JSON.stringify({ instances: [new Array(64).fill(0)] });

test('requests to a server that restarts during an update wait for workers, not for the end of the update', {
  timeout: 170_000,
}, async () => {
  const first = await start();
  await first.deploy('digits', 'digits_mlp');
  await first.approve(await first.register('digits', 'digits_logreg'));
  const steps = [
    { percent: 50, watch_s: 600 },
    { percent: 100, watch_s: 600 },
  ];
  await first.callWell('PATCH', '/endpoints/digits', { variants: [{ model: 'digits/2' }], rollout: { steps, alarms: [] } });
  await until('half of the requests go to the new version', async () => {
    const { rollout } = await first.callWell<EndpointBody>('GET', '/endpoints/digits');
    return rollout?.share_percent === 50 && rollout.watched_since !== null;
  });
  first.signal('SIGKILL');
  await first.ended;

  const second = await start(['--start-delay', '4s']);
  const [accessKeyId = '', secretAccessKey = ''] = second.adminKey.split(':');
  const client = new SageMakerRuntimeClient({
    endpoint: second.url,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  });
  const sent = nextSend(client);
  const held = client.send(new InvokeEndpointCommand({ EndpointName: 'digits', ContentType: 'application/json', Body: body }));
  await sent;
  const unreadyAtMs: number[] = [];
  await until('the native API answers', async () => {
    const native = await fetch(`${second.url}/api/v1/endpoints/digits/invoke`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    const answer = (await native.json()) as Refusal;
    if (native.status === 200) return true;
    assert.equal(native.status, 503);
    assert.match(answer.error, /^endpoint 'digits' is not ready: /);
    assert(Number(native.headers.get('retry-after')) > 0);
    unreadyAtMs.push(Date.now());
    return false;
  });
  const { $metadata } = await held;
  client.destroy();
  const { rollout } = await second.callWell<EndpointBody>('GET', '/endpoints/digits');
  assert.equal(rollout?.share_percent, 50, 'the update continues');
  // The time for which the request was held is part of its timings.
  const requestId = $metadata.requestId ?? assert.fail('the response has a request id');
  const { at, timings } = await until('the request is in the log', async () => {
    const { status, body: record } = await second.call<RequestBody>('GET', `/requests/${requestId}`);
    return status === 200 && record;
  });
  const arrivedAtMs = Date.parse(at) - (timings?.total_ms ?? 0);
  // The held request was sent before all native requests but the first.
  const unreadyAt = unreadyAtMs.slice(1).at(-1) ?? assert.fail('the start was delayed long enough for two rejected requests');
  assert(arrivedAtMs <= unreadyAt, `it arrived at ${arrivedAtMs}, and no worker was ready at ${unreadyAt}`);
});

/** Resolves once the client's next request is on its way. */
function nextSend({ config: { requestHandler } }: SageMakerRuntimeClient): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const handle = requestHandler.handle.bind(requestHandler);
  requestHandler.handle = (...call) => {
    const answer = handle(...call);
    resolve();
    return answer;
  };
  return promise;
}
