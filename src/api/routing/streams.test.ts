import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { type StreamCall, Streams, streamLimits } from './streams.ts';

function callOf(keyId: string): StreamCall {
  const response = Object.assign(new EventEmitter(), {
    writableLength: 0,
    writeHead: () => undefined,
    write: () => true,
    end: () => undefined,
    destroy: () => undefined,
  });
  return {
    request: {} as IncomingMessage,
    response: response as unknown as ServerResponse,
    requestId: 'r1',
    caller: { keyId, role: 'viewer' },
  };
}

test('limits the open streams per key; closing one allows another', () => {
  const streams = new Streams(new VirtualClock(), () => undefined);
  const open = Array.from({ length: streamLimits.perKeyMax }, () => streams.open(callOf('A')));
  assert.throws(() => streams.open(callOf('A')), {
    code: 'overloaded',
    message: /^too many open event streams: key A has 100, expected at most 100 per key/,
  });
  streams.open(callOf('B'));
  open[0]?.end();
  streams.open(callOf('A'));
  streams.close();
});

test('limits the open streams of all keys together', () => {
  const streams = new Streams(new VirtualClock(), () => undefined);
  for (let i = 0; i < streamLimits.max; i++) streams.open(callOf(`K${i % 20}`));
  assert.throws(() => streams.open(callOf('new')), { code: 'overloaded', message: /the server has 1000/ });
  streams.close();
});
