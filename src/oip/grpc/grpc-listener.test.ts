/** The gRPC port of a home, with connections that gateway processes pass on: what calls get while it opens. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { definitionOf, GrpcClient, type Reply } from '../../../test/end-to-end/grpc-client.ts';
import { until } from '../../../test/end-to-end/poll.ts';
import { grpcBody } from '../../../test/exchange-bodies.ts';
import { type Exchanges, openExchanges } from '../../../test/exchange-fixture.ts';
import { GrpcListener } from './grpc-listener.ts';

let exchanges: Exchanges;
let passing: Server;
let listener: GrpcListener;
let client: GrpcClient;
/** Models that come back into service, and what serves their calls then. */
let awaited: Map<string, (() => void)[]>;
/** How often the port still fails to load gRPC. */
let failures: number;
const errors: string[] = [];

before(async () => {
  exchanges = await openExchanges();
});
after(() => exchanges.close());

beforeEach(async () => {
  await exchanges.begin();
  awaited = new Map();
  failures = 0;
  errors.length = 0;
  const { oip } = exchanges;
  const services = {
    ...oip,
    log: { ...oip.log, error: (fields: object) => void errors.push(JSON.stringify(fields)) } as unknown as typeof oip.log,
    onHealthChange: () => {
      if (failures-- > 0) throw new Error('EMFILE: too many open files');
    },
  };
  passing = createServer();
  const fronts = {
    grpcAddress: 'passed on',
    serveGrpc: (take: (socket: Socket) => void) => {
      passing.on('connection', take);
      return () => void passing.off('connection', take);
    },
    awaitModel: (model: string, run: () => void) => {
      const waiting = awaited.get(model);
      waiting?.push(run);
      return waiting === undefined ? null : () => void waiting.splice(waiting.indexOf(run), 1);
    },
  };
  listener = new GrpcListener(services, { host: '127.0.0.1', port: 0, tls: null, fronts });
  await listener.listen();
  passing.listen(0, '127.0.0.1');
  await once(passing, 'listening');
  client = new GrpcClient(`127.0.0.1:${(passing.address() as AddressInfo).port}`, { 'grpc.initial_reconnect_backoff_ms': 100 });
});
afterEach(async () => {
  client.close();
  passing.close();
  await listener.close();
});

/** The code of the outcome. */
const infer = async (deadlineMs?: number): Promise<number> => {
  const options = deadlineMs === undefined ? {} : { deadlineMs };
  const reply: Reply<Buffer> = await client.callBytes(definitionOf('ModelInfer').path, grpcBody({ rows: 1 }, 'tensors'), options);
  return reply.refused?.code ?? status.OK;
};

const waiting = (count: number): Promise<unknown> =>
  until('calls wait for the model', () => awaited.get('tensors')?.length === count, 5000);

test('a failure to load gRPC ends the connection that it was loaded for; the next one is served', async () => {
  failures = 1;
  assert.equal(await infer(), status.UNAVAILABLE);
  assert.deepEqual(errors, ['{"error":"EMFILE: too many open files"}']);
  const { reply } = await until('gRPC is served', async () => {
    const served = await client.call('ServerLive', {});
    return served.refused === null ? served : null;
  });
  assert.deepEqual(reply, { live: true });
});

test('an inference whose model comes back into service after a change of the home waits for it, as over HTTP', async () => {
  awaited.set('tensors', []);
  const replied = infer();
  await waiting(1);
  for (const run of awaited.get('tensors') ?? []) run();
  await exchanges.finishRuns();
  assert.equal(await replied, status.OK);
});

test('it waits within its deadline, and no longer than its client', async () => {
  awaited.set('tensors', []);
  const late = infer(60_000);
  await waiting(1);
  exchanges.clock.advance(90_000);
  assert.equal(await late, status.DEADLINE_EXCEEDED); // of the server: the clock of the client has not moved
  await waiting(0);
  const leaving = new AbortController();
  const left = client.callBytes(definitionOf('ModelInfer').path, grpcBody({ rows: 1 }, 'tensors'), { signal: leaving.signal });
  await waiting(1);
  leaving.abort();
  assert.equal((await left).refused?.code, status.CANCELLED);
  await waiting(0);
});
