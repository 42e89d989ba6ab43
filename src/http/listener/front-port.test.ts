import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FastHeads, FastResponse } from '../../connections/index.ts';
import { forwardedExchange } from './front-port.ts';

test('a forwarded response that is destroyed in place of an answer is closed, so it counts against no limit any more', async () => {
  const bytes = Buffer.from('POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
  const head = new FastHeads().read(bytes);
  assert(typeof head !== 'string');
  const events: string[] = [];
  const to = { arrivedAtMs: 0, outlivesServer: false, write: () => events.push('written'), destroy: () => events.push('destroyed') };
  const fast = {
    responseTo: (request: FastResponse['req'], onEnd: () => void, socket = request.socket) =>
      new FastResponse(request, { socket, date: () => '', keepAliveSeconds: 1, onEnd }),
  };
  const { response } = forwardedExchange(fast, head, bytes, {}, to);
  response.on('close', () => events.push('closed'));
  response.destroy();
  await Promise.resolve();
  assert.deepEqual(events, ['destroyed', 'closed']);
});
