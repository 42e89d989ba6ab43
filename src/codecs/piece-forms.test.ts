import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formattedPiece, pieceKind, serverSentEvent, streamForm } from './piece-forms.ts';

test('the first form of streams that Accept names decides', () => {
  for (const [accept, form] of [
    [undefined, null],
    ['', null],
    ['*/*', null],
    ['application/json', null],
    ['text/event-stream', 'events'],
    ['Text/Event-Stream; charset=utf-8', 'events'],
    ['application/json, application/x-ndjson;q=0.9, text/event-stream', 'lines'],
    ['application/jsonlines', 'lines'],
    ['constructor', null],
  ] as const) {
    assert.equal(streamForm(accept), form, String(accept));
  }
});

test('pieces are texts, JSON or bytes by the content type of the reply', () => {
  for (const [type, kind] of [
    [undefined, 'bytes'],
    ['application/octet-stream', 'bytes'],
    ['text/plain; charset=utf-8', 'text'],
    ['application/jsonl', 'json'],
    ['text/event-stream', 'bytes'],
  ] as const) {
    assert.equal(pieceKind(type), kind, String(type));
  }
});

test('an event has a field for each line, and no value can end it or begin another', () => {
  assert.equal(serverSentEvent('a\nb\r\nc\rd'), 'data: a\ndata: b\ndata: c\ndata: d\n\n');
  assert.equal(serverSentEvent('', 'error'), 'event: error\ndata: \n\n');
  assert.equal(formattedPiece('events', 'text', Buffer.from('x\n\nevent: error')).toString(), 'data: x\ndata: \ndata: event: error\n\n');
  assert.equal(formattedPiece('lines', 'text', Buffer.from('x\ny"é')).toString(), '"x\\ny\\"é"\n');
  assert.equal(formattedPiece('lines', 'json', Buffer.from('{"a":1}\n')).toString(), '{"a":1}\n');
});
