/** `penstock delete`: asks on a terminal before it deletes a serving endpoint. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { SystemClock } from '../../../clock.ts';
import { runCli } from '../../run-cli.ts';

interface Terminal {
  readonly isTerminal: boolean;
  /** What a person types. */
  readonly typed?: readonly string[];
  readonly interrupted?: AbortSignal;
}

/** Runs `penstock delete` against an endpoint with this status. */
async function remove(t: TestContext, status: string, argv: readonly string[], { isTerminal, typed = [], interrupted }: Terminal) {
  const statistics = { requests: 531, since: '2026-11-24T10:00:00.000Z' };
  const view = { name: 'digits', status, variants: [{ model: 'digits/1', statistics }] };
  const requested: string[] = [];
  const server = createServer((request, response) => {
    requested.push(`${request.method} ${request.url}`);
    response.end(JSON.stringify(view));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  let [stdout, stderr] = ['', ''];
  const input = (async function* () {
    yield* typed;
    if (interrupted !== undefined) await new Promise(() => {}); // no input
  })();
  const code = await runCli(['delete', ...argv], {
    stdout: { write: (text) => (stdout += text), isTTY: isTerminal },
    stderr: { write: (text) => (stderr += text), isTTY: isTerminal },
    stdin: Object.assign(input, { isTTY: isTerminal }),
    env: { PENSTOCK_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, NO_COLOR: '1' },
    clock: new SystemClock(),
    version: '1.2.3',
    interrupted: interrupted ?? new AbortController().signal,
    up: () => Promise.resolve(0),
    quickstart: () => Promise.resolve(0),
  });
  return { code, stdout, stderr, isDeleted: requested.some((line) => line.startsWith('DELETE ')) };
}

const question =
  'digits is InService (digits/1, 531 requests answered since 2026-11-24 10:00:00 UTC). Its clients will get errors. Delete it? [y/N] ';

test('a serving endpoint is deleted only after a yes', async (t) => {
  const yes = await remove(t, 'InService', ['digits'], { isTerminal: true, typed: ['ye', 's\n'] });
  assert.deepEqual(yes, { code: 0, stdout: 'digits is being deleted\n', stderr: question, isDeleted: true });
  for (const typed of [['n\n'], ['\n'], [], ['digits\n']]) {
    const { code, stderr, isDeleted } = await remove(t, 'InService', ['digits'], { isTerminal: true, typed });
    assert.deepEqual([code, isDeleted], [1, false]);
    assert.match(stderr, /digits was not deleted\n$/);
  }
});

test('Ctrl-C is a no', async (t) => {
  const interrupted = AbortSignal.timeout(50);
  const { code, isDeleted } = await remove(t, 'InService', ['digits'], { isTerminal: true, interrupted });
  assert.deepEqual([code, isDeleted], [1, false]);
});

test('nothing is asked with --yes, without a terminal, or about an endpoint that serves nothing', async (t) => {
  for (const [status, argv, isTerminal] of [
    ['InService', ['digits', '--yes'], true],
    ['InService', ['digits'], false],
    ['Failed', ['digits'], true],
    ['Unloaded', ['digits'], true],
    ['InService', ['digits/1'], true],
    ['InService', ['digits', '--group'], true],
  ] as const) {
    const { code, stderr, isDeleted } = await remove(t, status, argv, { isTerminal });
    assert.deepEqual([code, stderr, isDeleted], [0, '', true], argv.join(' '));
  }
});
