/** A body that is larger than memory ought to be, worked on later by a process: it streams through disk, and so does its answer. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AsyncBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { scorerBundle, skip } from './index.ts';
import { TestServer } from './server.ts';

const mebibyte = 2 ** 20;
/** 1024 by hand: it takes a minute. */
const bodyMiB = Number(process.env['LARGE_MIB'] ?? 192);
const patienceMs = bodyMiB > 256 ? 600_000 : 150_000;

describe('a large body', { skip, timeout: patienceMs + 20_000 }, () => {
  const server = new TestServer([
    { match: 'echo', runtime: 'process', command: ['python3', fileURLToPath(new URL('./echo.py', import.meta.url))] },
  ]);
  before(async () => {
    await server.start();
    const registered = await server.call('POST', '/groups/echo/versions?image=echo', await scorerBundle());
    assert.equal(registered.status, 201, registered.text);
    await server.call('POST', '/groups/echo/versions/1/approval', { approval: 'Approved' });
    await server.call('POST', '/endpoints', { name: 'echo', variants: [{ model: 'echo/1' }] });
    await until('it is in service', async () => (await server.call('GET', '/endpoints/echo')).at('status') === 'InService', 60_000);
  });
  after(() => server.close());

  test(`of ${bodyMiB} MiB goes in and comes out while the server keeps below 300 MB`, async (t) => {
    const block = randomBytes(mebibyte);
    const [sent, received] = [createHash('sha256'), createHash('sha256')];
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < bodyMiB; i++) {
        sent.update(block);
        yield block;
      }
    }
    const init: RequestInit = {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: ReadableStream.from(body()),
      duplex: 'half',
    };
    const answer = await fetch(`${server.url}/api/v1/endpoints/echo/async`, init);
    const { id } = (await answer.json()) as AsyncBody;
    assert.equal(answer.status, 202);
    const state = await until(
      'there is an outcome',
      async () => {
        const now = await server.call('GET', `/async/${id}`);
        return now.at('state') === 'queued' ? null : now;
      },
      patienceMs,
    );
    assert.equal(state.at('state'), 'succeeded', state.text);
    const output = await fetch(`${server.url}/api/v1/async/${id}/output`);
    for await (const piece of output.body ?? []) received.update(piece as Uint8Array);
    assert.equal(received.digest('hex'), sent.digest('hex'));
    const [, peakKiB] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8')) ?? [];
    t.diagnostic(`the server had at most ${(Number(peakKiB) / 1024).toFixed(0)} MiB`);
    assert(Number(peakKiB) * 1024 < 300e6, `${peakKiB} KiB`);
  });
});
