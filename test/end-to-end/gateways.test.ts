/** `penstock up --gateways 2`: clients see one server, whichever process holds their connection. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { CreatedKeyBody } from '../../src/api/index.ts';
import { at, GrpcClient, grpcAddress, type Message, rawCall, rawConnection } from './grpc-client.ts';
import { until } from './poll.ts';
import { dial, readUntil, statusesOf } from './raw-client.ts';
import { Server } from './server.ts';

const input = { name: 'x', shape: [2, 3], datatype: 'FP32', data: [1, 2, 3, 4, 5, 6] };
const path = '/v2/models/affine/infer';

/** The gateway processes of a server. */
function gatewaysOf(pid: number): number[] {
  return readdirSync('/proc').flatMap((name) => {
    try {
      const isOurs = readFileSync(`/proc/${name}/stat`, 'latin1').split(') ')[1]?.split(' ')[1] === String(pid);
      return isOurs && readFileSync(`/proc/${name}/cmdline`, 'latin1').includes('front-main') ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

describe('two gateway processes', { timeout: 300_000 }, () => {
  let server: Server;
  const agents: Agent[] = [];
  before(async () => {
    server = await Server.start({ flags: ['--gateways', '2'] });
    await server.deploy('affine', 'test_affine');
  });
  after(async () => {
    for (const agent of agents) agent.destroy();
    await server?.end();
  });

  /** A connection that stays open. */
  function client(): Agent {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agents.push(agent);
    return agent;
  }

  async function post(agent: Agent, headers: Readonly<Record<string, string>> = {}, body: object = { inputs: [input] }) {
    const text = JSON.stringify(body);
    const options = { agent, method: 'POST', headers: { 'content-type': 'application/json', 'content-length': text.length, ...headers } };
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      send(`${server.url}${path}`, options, resolve).on('error', reject).end(text);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of reply) chunks.push(chunk as Buffer);
    return { status: reply.statusCode, headers: reply.headers, text: Buffer.concat(chunks).toString() };
  }

  test('answer inferences exactly as the server does, from the first request of a connection on', async () => {
    const agent = client();
    const replies = [];
    for (let i = 0; i < 5; i++) replies.push(await post(agent, { 'x-request-id': `same-${i}` }));
    const [first] = replies;
    assert.equal(first?.status, 200);
    for (const [i, { status, headers, text }] of replies.entries()) {
      assert.deepEqual([status, text], [200, first?.text]);
      assert.deepEqual(Object.keys(headers).sort(), Object.keys(first?.headers ?? {}).sort());
      assert.equal(headers['x-request-id'], `same-${i}`);
    }
  });

  test('count and log as one server', async () => {
    const agent = client();
    const before = await server.metric('penstock_requests_total{endpoint="affine"');
    for (let i = 0; i < 20; i++) assert.equal((await post(agent)).status, 200);
    await until('all are counted', async () => (await server.metric('penstock_requests_total{endpoint="affine"')) >= before + 20);
    const { headers } = await post(agent, { 'x-request-id': 'asked-for' });
    assert.equal(headers['x-request-id'], 'asked-for');
    await until('its receipt is known', async () => (await fetch(`${server.url}/api/v1/requests/asked-for`)).status === 200);
  });

  test('answer a wrong request as the server does, and go on with the connection', async () => {
    const agent = client();
    await post(agent);
    const wrong = await post(agent, {}, { inputs: [{ ...input, shape: [2, 4] }] });
    assert.equal(wrong.status, 400);
    assert.match(wrong.text, /"code":"invalid_request"/);
    assert.equal((await post(agent)).status, 200);
  });

  test('pass any other request on, in the order of its connection', async () => {
    const socket = await dial(server.url);
    const body = JSON.stringify({ inputs: [input] });
    const infer = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const live = 'GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n';
    socket.write(`${infer}${infer}${live}${infer}`);
    const text = await readUntil(socket, /(?:HTTP\/1\.1 [\s\S]*){4}outputs/);
    assert.deepEqual(statusesOf(text), [200, 200, 200, 200]);
    assert.match(text, /outputs[\s\S]*outputs[\s\S]*live[\s\S]*outputs/);
    socket.destroy();
  });

  test('accept no call without a key that a proxy sent, on a connection that was trusted before', async () => {
    const agent = client();
    assert.equal((await post(agent)).status, 200);
    assert.equal((await post(agent)).status, 200);
    assert.equal((await post(agent, { 'x-forwarded-for': '203.0.113.1' })).status, 403);
    assert.equal((await post(agent, { origin: 'https://evil.example' })).status, 403);
    assert.equal((await post(agent, { host: 'evil.example' })).status, 403);
  });

  test('reject a revoked key within a second, and keep its limits for the whole server', async () => {
    const create = (more: object) => server.callWell<CreatedKeyBody>('POST', '/keys', { role: 'invoker', ...more });
    const key = await create({});
    const authorization = `Bearer ${key.id}:${key.secret}`;
    const clients = Array.from({ length: 8 }, () => client());
    for (const agent of [...clients, ...clients]) assert.equal((await post(agent, { authorization })).status, 200);
    await server.callWell('DELETE', `/keys/${key.id}`);
    await until('all connections are rejected', async () => {
      const replies = await Promise.all(clients.map((agent) => post(agent, { authorization })));
      return replies.every(({ status }) => status === 401);
    });
    const limited = await create({ rate_per_second: 1 });
    const limitedBearer = `Bearer ${limited.id}:${limited.secret}`;
    const statuses = await Promise.all(clients.map(async (agent) => (await post(agent, { authorization: limitedBearer })).status));
    assert(statuses.includes(429), String(statuses));
  });

  test('serve gRPC: health, metadata, inferences of any size, and streams', async () => {
    const grpc = new GrpcClient(await grpcAddress(server));
    assert.deepEqual((await grpc.call('Check', { service: '' }, {}, 'health')).reply, { status: 'SERVING' });
    assert.equal(at((await grpc.call('ModelMetadata', { name: 'affine' })).reply, 'inputs.0.name'), 'x');
    const affine = (rows: number): object => {
      const x = { name: 'x', datatype: 'FP32', shape: [rows, 3] };
      return { model_name: 'affine', inputs: [x], raw_input_contents: [Buffer.alloc(12 * rows)] };
    };
    for (const rows of [1, 250_000]) {
      const { reply, refused } = await grpc.call('ModelInfer', affine(rows));
      assert.equal(refused, null);
      assert.equal((at(reply, 'raw_output_contents.0') as Buffer).length, 12 * rows);
    }
    const stream = grpc.stream('ModelStreamInfer');
    const replies: Message[] = [];
    stream.on('data', (reply: Message) => replies.push(reply));
    for (let i = 0; i < 3; i++) stream.write(affine(1));
    stream.end();
    await once(stream, 'end');
    assert.equal(replies.length, 3);
    grpc.close();
  });

  test('accept no gRPC call without a key from a page of another site', async () => {
    const address = await grpcAddress(server);
    const session = rawConnection(address);
    const call = rawCall(session, 'ServerLive', { ':authority': 'evil.example' });
    const answered = once(call, 'response');
    const infer = rawCall(session, 'RepositoryIndex', { ':authority': 'evil.example' });
    const [refused] = await once(infer.end(Buffer.alloc(5)), 'response');
    assert.equal(refused['grpc-status'], '7');
    call.end(Buffer.alloc(5));
    await answered;
    session.destroy();
  });

  test('take only their own connections with them when they are killed, and are started again', async () => {
    const address = await grpcAddress(server);
    const sessions = Array.from({ length: 16 }, () => rawConnection(address).on('error', () => undefined));
    const askGrpc = async (session: (typeof sessions)[number]): Promise<void> => {
      const call = rawCall(session, 'ServerLive');
      call.end(Buffer.alloc(5));
      const [headers] = await once(call, 'response');
      assert.equal(headers[':status'], 200);
      call.resume();
    };
    await Promise.all(sessions.map(askGrpc));
    const grpc = new GrpcClient(address);
    assert.deepEqual((await grpc.call('ServerLive', {})).reply, { live: true });
    const metadata = 'GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const sockets = await Promise.all(Array.from({ length: 24 }, () => dial(server.url)));
    const ask = async (socket: Socket): Promise<void> => {
      const answer = readUntil(socket, /"extensions"/);
      socket.write(metadata);
      await answer;
    };
    await Promise.all(sockets.map(ask));
    const [victim] = gatewaysOf(server.pid);
    assert(victim !== undefined);
    process.kill(victim, 'SIGKILL');
    await until('its connections are closed', () => sockets.some(({ destroyed }) => destroyed));
    const others = sockets.filter(({ destroyed }) => !destroyed);
    const served = await Promise.allSettled(others.map(ask));
    assert(
      served.some(({ status }) => status === 'fulfilled'),
      'those of the other process stay',
    );
    for (const socket of sockets) socket.destroy();
    const stayed = sessions.filter(({ destroyed }) => !destroyed);
    assert(stayed.length < sessions.length, 'its gRPC connections are closed, too');
    await Promise.all(stayed.map(askGrpc));
    for (const session of sessions) session.destroy();
    await until('two run again', () => {
      const now = gatewaysOf(server.pid);
      return now.length === 2 && !now.includes(victim);
    });
    await until('requests are answered', async () => (await post(client())).status === 200);
    await until('the gRPC client has connected again', async () => (await grpc.call('ServerLive', {})).refused === null);
    grpc.close();
  });

  test('end with the server', async () => {
    const other = await Server.start({ flags: ['--gateways', '2'] });
    try {
      const pids = gatewaysOf(other.pid);
      assert.equal(pids.length, 2);
      other.signal('SIGKILL');
      await until('they have ended', () => pids.every((pid) => !isAlive(pid)));
    } finally {
      await other.end();
    }
  });
});

function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.[0] !== 'Z';
  } catch {
    return false;
  }
}
