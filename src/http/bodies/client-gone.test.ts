import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { until } from '../../../test/end-to-end/poll.ts';
import { SystemClock } from '../../clock.ts';
import { type AccessLine, type Log, openLogs } from '../../logs/index.ts';
import { Listener } from '../listener/listener.ts';

test('logs an aborted upload with 499 and not as a failure', async () => {
  const lines: AccessLine[] = [];
  const errors: unknown[] = [];
  const log = { ...openLogs(null, 'silent').platform, error: (...of: unknown[]) => void errors.push(of) } as unknown as Log;
  const access = { authenticate: () => ({ keyId: 'anonymous', role: 'admin' }) as const };
  const writeAccess = (line: AccessLine): void => void lines.push(line);
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls: null, access, log, writeAccess, clock: new SystemClock() });
  let reading = 0;
  listener.scope('/api', (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, parsed) => parsed(null));
    scope.post('/upload', async ({ raw }) => {
      reading++;
      let bytes = 0;
      for await (const chunk of raw as AsyncIterable<Buffer>) bytes += chunk.length;
      return { bytes };
    });
  });
  const { port } = new URL(await listener.listen());
  try {
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`POST /api/upload HTTP/1.1\r\nhost: x\r\ncontent-type: application/x\r\ncontent-length: 1000\r\n\r\nabc`);
    await until('the upload has begun', () => reading === 1);
    socket.destroy();
    await until('the line is written', () => lines.length === 1);
    assert.equal(lines[0]?.status, 499);
    assert.deepEqual(errors, []);
  } finally {
    await listener.close();
  }
});
