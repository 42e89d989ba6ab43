/** Three nodes on one database: clients of any of them are served by the home, and notice nothing when it is another node. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { status as grpcStatus } from '@grpc/grpc-js';
import { at, GrpcClient, type Reply } from '../end-to-end/grpc-client.ts';
import { until } from '../end-to-end/poll.ts';
import { freePort } from '../free-port.ts';
import { sample } from '../models/index.ts';
import { whyNoPostgres } from '../postgres-server.ts';
import { ended, Load, NodesFixture, post } from './nodes-fixture.ts';

describe('three nodes', { skip: whyNoPostgres(), timeout: 240_000 }, () => {
  let nodes: NodesFixture;
  let load: Load;
  const agent = new Agent({ keepAlive: true });
  const clients = new Map<string, GrpcClient>();
  before(async () => {
    nodes = await NodesFixture.create();
    for (const name of ['a', 'b', 'c']) nodes.grpcPorts.set(name, await freePort());
    await nodes.start('a');
    await nodes.deployDigits('a');
    await Promise.all([nodes.start('b'), nodes.start('c')]);
    load = new Load(nodes, { ...nodes.digits, perNode: 2 });
  });
  after(async () => {
    await load?.use();
    agent.destroy();
    for (const client of clients.values()) client.close();
    await nodes?.close();
  });

  const infer = (name: string, key: string, body = nodes.digits.body) =>
    post(body === nodes.digits.body ? agent : new Agent(), nodes.node(name).url, nodes.digits.path, { key, body });

  /** The same inference over gRPC, by a client that stays connected, or by a new one. */
  const inferByGrpc = (name: string, key: string, isNew = false): Promise<Reply> => {
    const known = isNew ? undefined : clients.get(name);
    // Clients of one address share their connection otherwise, also one that is about to end with the home.
    const options = isNew ? { 'grpc.use_local_subchannel_pool': 1 } : {};
    const client = known ?? new GrpcClient(`127.0.0.1:${nodes.grpcPorts.get(name)}`, options);
    clients.set(isNew ? `${name}, client ${clients.size}` : name, client);
    const [input] = sample('digits_mlp').inputs;
    assert(input !== undefined && input.datatype === 'FP32');
    const columns = Number(input.shape[1]);
    const x = { name: input.name, datatype: 'FP32', shape: [1, columns] };
    const row = Buffer.from(input.data.buffer, input.data.byteOffset, 4 * columns);
    const metadata = key === '' ? {} : { authorization: `Bearer ${key}` };
    return client.call('ModelInfer', { model_name: 'digits', inputs: [x], raw_input_contents: [row] }, { metadata });
  };

  test('serve gRPC at each of them, without a key on the machine of the home alone', async () => {
    for (const name of ['a', 'b', 'c']) {
      const { reply, refused } = await inferByGrpc(name, nodes.key);
      assert.equal(refused, null);
      assert.equal(at(reply, 'model_name'), 'digits');
      assert.equal((await inferByGrpc(name, '')).refused?.code, name === 'a' ? undefined : grpcStatus.UNAUTHENTICATED);
    }
  });

  test('serve inferences and control calls at each of them', async () => {
    for (const name of ['a', 'b', 'c']) {
      const { status, body } = await infer(name, nodes.key);
      assert.equal(status, 200, body);
      assert(body.includes(nodes.digits.expected));
      assert.equal((await nodes.call<{ name: string }>(name, 'GET', '/endpoints/digits')).name, 'digits');
    }
    const page = await (await fetch(`${nodes.node('b').url}/metrics`, { headers: { authorization: `Bearer ${nodes.key}` } })).text();
    assert.match(page, /^penstock_gateway_processes 3$/m, 'those of other nodes are counted');
  });

  test('need no key of a client on the machine of the home alone', async () => {
    assert.equal((await infer('a', '')).status, 200);
    for (const name of ['b', 'c']) {
      const { status, body } = await infer(name, '');
      assert.equal(status, 401, body);
      const response = await fetch(`${nodes.node(name).url}/api/v1/endpoints`);
      assert.equal(response.status, 401);
      await response.text();
    }
  });

  test('reject a revoked key everywhere within a second', async () => {
    const { id, secret } = await nodes.call<{ id: string; secret: string }>('c', 'POST', '/keys', { role: 'invoker' });
    const key = `${id}:${secret}`;
    for (const name of ['a', 'b', 'c']) assert.equal((await infer(name, key)).status, 200);
    await nodes.call('b', 'DELETE', `/keys/${id}`);
    await until('it is rejected', async () => {
      const statuses = await Promise.all(['a', 'b', 'c'].map(async (name) => (await infer(name, key)).status));
      return statuses.every((status) => status === 401);
    });
  });

  test('answer all requests of other nodes while the home is killed, and while the next one ends', async () => {
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      const home = await nodes.home();
      const others = ['a', 'b', 'c'].filter((name) => name !== home && nodes.isRunning(name));
      await load.use(...others);
      await until('requests are answered', () => load.answered > 20);
      load.reset();
      nodes.node(home).child.kill(signal);
      assert.equal(await ended(nodes.node(home)), signal === 'SIGTERM' ? 0 : signal);
      // Too large for a frame: its connection waits, and is passed on whole.
      const large = infer(others[0] ?? '', nodes.key, `${nodes.digits.body}${' '.repeat(70_000)}`);
      const overGrpc = inferByGrpc(others[0] ?? '', nodes.key, true);
      await until('another node is the home', async () => others.includes(await nodes.home()));
      const before = load.answered;
      await until('requests are answered', () => load.answered > before + 20);
      assert.deepEqual(load.report().failed, []);
      for (const other of others) {
        await until(`gRPC is served at ${other}`, async () => {
          const { refused } = await inferByGrpc(other, nodes.key);
          assert([undefined, grpcStatus.UNAVAILABLE].includes(refused?.code), refused?.details);
          return refused === null;
        });
      }
      assert.equal((await overGrpc).refused, null, 'its connection waits for a home, and its call for the endpoint');
      const { status, body } = await large;
      assert.equal(status, 200, body);
      assert(body.includes(nodes.digits.expected), body);
      load.reset();
    }
  });
});
