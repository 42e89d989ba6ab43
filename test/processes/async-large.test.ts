/** A large asynchronous body to a process model: it and its result are streamed through disk. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { AsyncBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { scorerBundle, scorerPaths, skip } from './index.ts';
import { TestServer } from './server.ts';

const mebibyte = 2 ** 20;
/** Set LARGE_MIB=1024 for a longer manual run, which takes a minute. */
const bodyMiB = Number(process.env['LARGE_MIB'] ?? 192);
const patienceMs = bodyMiB > 256 ? 600_000 : 150_000;
/** The allowed growth of the server, independent of the size of the body: with 1024 MiB, too, it grows by 155. */
const growthMaxMiB = 192;

describe('a large body', { skip, timeout: patienceMs + 20_000 }, () => {
  const server = new TestServer([
    { match: 'echo', runtime: 'process', command: ['python3', fileURLToPath(new URL('./echo.py', import.meta.url))], paths: scorerPaths },
  ]);
  before(async () => {
    await server.start();
    const registered = await server.call('POST', '/groups/echo/versions?image=echo', await scorerBundle());
    assert.equal(registered.status, 201, registered.text);
    await server.call('POST', '/groups/echo/versions/1/approval', { approval: 'Approved' });
    await server.call('POST', '/endpoints', { name: 'echo', variants: [{ model: 'echo/1' }] });
    await until(
      'the endpoint is in service',
      async () => (await server.call('GET', '/endpoints/echo')).at('status') === 'InService',
      60_000,
    );
  });
  after(() => server.close());

  test(`of ${bodyMiB} MiB is processed while the server grows by less than ${growthMaxMiB} MiB`, async (t) => {
    const restMiB = memoryMiB(server.pid, 'VmRSS');
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
      'the request has an outcome',
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
    const grownMiB = memoryMiB(server.pid, 'VmHWM') - restMiB;
    t.diagnostic(`the server grew from ${restMiB.toFixed(0)} MiB by ${grownMiB.toFixed(0)} MiB`);
    assert(grownMiB < growthMaxMiB, `the server grew from ${restMiB} MiB by ${grownMiB} MiB`);
  });
});

/** The memory of a process in MiB: what it has now (`VmRSS`), or the most that it had so far (`VmHWM`). */
function memoryMiB(pid: number, which: 'VmRSS' | 'VmHWM'): number {
  const [, kib] = new RegExp(`${which}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}
