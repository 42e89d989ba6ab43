import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checkKinds, eventKinds } from './event-kinds.ts';

test('a kind or the thing it begins with is known, a part of either is not', () => {
  checkKinds([...eventKinds, 'alarm', 'endpoint']);
  assert.throws(() => checkKinds(['alarm', 'endpoint.', 'fail']), {
    code: 'invalid_request',
    message: /^no event is of the kind endpoint\., fail: /,
  });
});

test('the guide lists each of them', () => {
  const guide = readFileSync(new URL('../../../docs/guides/monitoring.md', import.meta.url), 'utf8');
  const [, list = ''] = /\n\| Of \| What becomes of it, for `--kind` \|\n([^]*?)\n\n/.exec(guide) ?? [];
  const kinds = list.split('\n').flatMap((line) => {
    const [thing = '', ...words] = [...line.matchAll(/`([a-z-]+)`/g)].map(([, word = '']) => word);
    return words.map((word) => `${thing}.${word}`);
  });
  assert.deepEqual(kinds.sort(), [...eventKinds].sort());
});
