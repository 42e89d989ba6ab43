import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkKinds, eventKinds } from './event-kinds.ts';

test('accepts a kind or its resource, and no part of either', () => {
  checkKinds([...eventKinds, 'alarm', 'endpoint']);
  assert.throws(() => checkKinds(['alarm', 'endpoint.', 'fail']), {
    code: 'invalid_request',
    message: /^unknown event kind endpoint\., fail: expected one of /,
  });
});

test('the guide lists every kind', () => {
  const guide = readFileSync(new URL('../../docs/reference/events.md', import.meta.url), 'utf8');
  const [, list = ''] = /\n\| Subject \| Kinds, for `--kind` \|\n([^]*?)\n\n/.exec(guide) ?? [];
  const kinds = list.split('\n').flatMap((line) => {
    const [thing = '', ...words] = [...line.matchAll(/`([a-z-]+)`/g)].map(([, word = '']) => word);
    return words.map((word) => `${thing}.${word}`);
  });
  assert.deepEqual(kinds.sort(), [...eventKinds].sort());
});
