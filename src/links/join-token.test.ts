import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinTokenText, parseJoinToken } from './join-token.ts';

const token = { id: 'a1', secret: 'the-secret', authorities: ['00'], nodes: ['127.0.0.1:8201'] };

test('a join token is read as it was written', () => {
  assert.deepEqual(parseJoinToken(joinTokenText(token)), token);
});

test('of a text that is none, or a part of one, the error says so and what to do, and never has the text', () => {
  const whole = joinTokenText(token);
  for (const [text, message] of [
    [
      'the-secret',
      /^expected a join token \(penstock-join-…\), got another text\. Copy the whole of what `penstock cluster token create` printed/,
    ],
    [whole.slice(0, 60), /, got a part of one, or a changed one \(60 characters\)\. /],
    [`${whole.slice(0, -4)}AAAA`, /, got a part of one, or a changed one /],
  ] as const) {
    assert.throws(
      () => parseJoinToken(text),
      (error: Error) => message.test(error.message) && !error.message.includes(text.slice(-8)),
    );
  }
});
