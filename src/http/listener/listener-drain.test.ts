import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { until } from '../../../test/end-to-end/poll.ts';
import { SystemClock } from '../../clock.ts';
import { openLogs } from '../../logs/index.ts';
import { respond } from '../respond.ts';
import { Listener } from './listener.ts';

const clock = new SystemClock();
const agents: Agent[] = [];

afterEach(() => {
  for (const agent of agents.splice(0)) agent.destroy();
});

/** /fast responds at once, /held only after `release`. */
async function open(): Promise<{ listener: Listener; port: number; isHolding: () => boolean; release: () => void }> {
  const access = { authenticate: () => ({ keyId: 'anonymous', role: 'admin' }) as const };
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls: null, access, log: openLogs(null, 'silent').platform, clock });
  const held: (() => void)[] = [];
  listener.direct('/fast', (request, response) => respond(request, response, 200, [], 'fast'));
  listener.direct('/held', (request, response) => void held.push(() => respond(request, response, 200, [], 'held')));
  const port = Number(new URL(await listener.listen()).port);
  return {
    listener,
    port,
    isHolding: () => held.length > 0,
    release: () => {
      for (const each of held.splice(0)) each();
    },
  };
}

function keepAlive(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  agents.push(agent);
  return agent;
}

async function get(port: number, path: string, agent: Agent): Promise<{ readonly connection: string | undefined }> {
  const sent = send({ host: '127.0.0.1', port, path, agent });
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  await response.toArray();
  return { connection: response.headers.connection };
}

/** Sends requests until the server is closed; returns the final error. */
async function useUntilClosed(port: number, onAnswered: () => void): Promise<string> {
  const agent = keepAlive();
  for (;;) {
    try {
      await get(port, '/fast', agent);
      onAnswered();
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? String(error);
    }
  }
}

describe('draining', () => {
  test('answers all connections that wait to be accepted when the port closes, however late the event loop', async () => {
    const { listener, port } = await open();
    const answered = new Set<number>();
    const clients = Array.from({ length: 6 }, (_, client) => useUntilClosed(port, () => void answered.add(client)));
    await until('each client was answered', () => answered.size === clients.length);
    // As on a busy machine: each turn of the event loop takes longer than any timer of the drain, and accepts one connection.
    const cell = new Int32Array(new SharedArrayBuffer(4));
    let isDraining = true;
    const block = (): void => {
      Atomics.wait(cell, 0, 0, 60);
      if (isDraining) clock.after(1, block);
    };
    block();
    await listener.drain({ timeoutMs: 60_000, graceMs: 100 });
    isDraining = false;
    await listener.close();
    assert.deepEqual(new Set(await Promise.all(clients)), new Set(['ECONNREFUSED']));
  });

  test('sends `connection: close` at once, also for requests in progress', async () => {
    const { listener, port, isHolding, release } = await open();
    const [busy, later] = [keepAlive(), keepAlive()];
    assert.equal((await get(port, '/fast', later)).connection, 'keep-alive');
    const inProgress = get(port, '/held', busy);
    await until('the request is in progress', isHolding);
    // New connections are accepted until this time is over, or none has been open for a moment.
    const drained = listener.drain({ timeoutMs: 60_000, graceMs: 30_000 });
    assert.equal((await get(port, '/fast', later)).connection, 'close');
    assert.equal((await get(port, '/fast', later)).connection, 'close', 'a new connection is still accepted');
    release();
    assert.equal((await inProgress).connection, 'close');
    await drained;
    await listener.close();
  });

  test('ends at once without connections, and with idle ones after the grace period', async () => {
    const empty = await open();
    const startedMs = clock.nowMs();
    await empty.listener.drain({ timeoutMs: 60_000, graceMs: 30_000 });
    await empty.listener.close();
    const idle = await open();
    await get(idle.port, '/fast', keepAlive());
    const fresh = connect(idle.port, '127.0.0.1');
    await once(fresh, 'connect');
    await idle.listener.drain({ timeoutMs: 60_000, graceMs: 50 });
    await idle.listener.close();
    assert(clock.nowMs() - startedMs < 20_000);
  });

  test('closes unfinished requests after the timeout', async () => {
    const { listener, port, isHolding } = await open();
    const lost = assert.rejects(get(port, '/held', keepAlive()), { code: 'ECONNRESET' });
    await until('the request is in progress', isHolding);
    await listener.drain({ timeoutMs: 100, graceMs: 20 });
    await lost;
    await listener.close();
  });
});
