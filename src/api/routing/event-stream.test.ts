import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { EventStream } from './event-stream.ts';

/** A client that reads only when `text` is called. */
function openStream() {
  const body = new PassThrough({ highWaterMark: 16 });
  const heads: unknown[] = [];
  const response = Object.assign(body, { writeHead: (...head: unknown[]) => heads.push(head) }) as unknown as ServerResponse;
  const clock = new VirtualClock();
  const authorized = new Set(['them']);
  const stream = new EventStream(response, clock, { requestId: 'request-1', isAuthorized: () => authorized.has('them') });
  const text = (): string => String((body.read() as Buffer | null) ?? '');
  return { body, clock, stream, text, authorized };
}

test('writes events in the format of the standard', () => {
  const { stream, text } = openStream();
  stream.send({ id: 7, kind: 'group.created', data: 'one\ntwo' });
  stream.send({ data: 'three' });
  assert.equal(text(), 'retry: 1000\n\nid: 7\nevent: group.created\ndata: one\ndata: two\n\ndata: three\n\n');
  stream.end();
});

test('sends heartbeats on an idle stream until it ends', () => {
  const { clock, stream, text } = openStream();
  text();
  clock.advance(15_000);
  assert.equal(text(), ': still here\n\n');
  stream.end();
  clock.advance(60_000);
  assert.equal(text(), '');
});

test('disconnects a client that does not read', () => {
  const { body, stream } = openStream();
  let ends = 0;
  stream.onEnd(() => ends++);
  for (let sent = 0; sent < 10 && stream.isOpen; sent++) stream.send({ data: 'x'.repeat(200_000) });
  assert.deepEqual([stream.isOpen, body.destroyed, ends], [false, true, 1]);
  stream.onEnd(() => ends++);
  assert.equal(ends, 2, 'called at once on an ended stream');
});

test('ends at the next heartbeat after its client lost authorization', () => {
  const { clock, stream, text, authorized } = openStream();
  text();
  authorized.clear();
  stream.send({ data: 'still heard' });
  clock.advance(15_000);
  assert.equal(stream.isOpen, false);
  assert.equal(text(), 'data: still heard\n\n');
});
