/** `penstock decisions --follow`: prints decisions and updates as they are made. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { VirtualClock } from '../../../clock.ts';
import { runCli } from '../../run-cli.ts';

const decided = (id: string, second: number) => ({
  id,
  kind: 'scaling',
  endpoint: 'digits',
  at: `2026-11-24T10:00:0${second}.000Z`,
  explanation: `grew because of ${id}`,
});
const updated = {
  at: '2026-11-24T10:00:05.000Z',
  what: 'deployed',
  endpoint: 'digits',
  from: ['digits/1'],
  to: ['digits/2'],
  share_percent: null,
  reason: null,
  by: 'me',
  settings: [],
  more_settings: 0,
  staying: [],
  more_staying: 0,
  versions: [],
};

/** Follows a server that makes a decision and an update after the first reading. Interrupted once both were printed. */
async function followed(...argv: string[]): Promise<{ code: number; stdout: string; paths: string[] }> {
  const paths: string[] = [];
  const server = createServer((request, response) => {
    const path = (request.url ?? '').replace('/api/v1', '');
    paths.push(path);
    const isLater = paths.length > 2;
    const decisions = [...(isLater ? [decided('d3', 4)] : []), decided('d2', 2), decided('d1', 1)];
    response.end(JSON.stringify({ items: path.includes('/decisions') ? decisions : isLater ? [updated] : [], next: null }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const clock = new VirtualClock();
  const interruption = new AbortController();
  let stdout = '';
  const ran = runCli(['decisions', 'digits', '-f', ...argv], {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: () => {} },
    stdin: (async function* () {})(),
    env: { PENSTOCK_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    clock,
    version: '1.2.3',
    interrupted: interruption.signal,
    up: () => Promise.resolve(0),
    quickstart: () => Promise.resolve(0),
  });
  while (!stdout.includes('digits/2')) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(100);
  }
  interruption.abort();
  const code = await ran;
  server.close();
  server.closeAllConnections();
  return { code, stdout, paths };
}

test('prints the latest ones, then each new one once, until interrupted', async () => {
  const { code, stdout, paths } = await followed('--tail', '1');
  assert.equal(code, 0);
  assert.deepEqual(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.replaceAll(/ {2,}/g, ' | ')),
    [
      'WHEN (UTC) | ENDPOINT | WHAT | WHY',
      '2026-11-24 10:00:02 | digits | scaling | grew because of d2',
      '2026-11-24 10:00:04 | digits | scaling | grew because of d3',
      '2026-11-24 10:00:05 | digits | deployed | digits/1 to digits/2: requested by me',
    ],
  );
  assert(paths[0]?.includes('changes=true'), 'reviews without a change are left out');
});

test('prints every review with --all, and one object per line as JSON', async () => {
  const { stdout, paths } = await followed('--tail', '0', '--all', '--output', 'json');
  assert(!paths[0]?.includes('changes='));
  const objects = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { id?: string; what?: string });
  assert.deepEqual(
    objects.map(({ id, what }) => id ?? what),
    ['d3', 'deployed'],
  );
});
