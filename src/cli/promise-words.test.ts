import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTimeText, keptText } from './promise-words.ts';
import { Style } from './style.ts';

const plain = new Style({ write: () => true }, {});
const terminal = new Style({ write: () => true, isTTY: true }, {});
const warned = /\u001b\[33m/;

test('a promise is told with the share that kept it, in the colour of warnings where that is less than promised', () => {
  const kept = { objective: 'p95<=50ms', in_time: 0.95 };
  assert.deepEqual([inTimeText(kept, plain), keptText(kept, plain)], ['95 %', '95 % of the last hour, promise 95 %']);
  assert.doesNotMatch(inTimeText(kept, terminal), warned);
  const broken = { objective: 'p99.9<=2s', in_time: 0.9989 };
  assert.equal(keptText(broken, plain), '99.8 % of the last hour, promise 99.9 %');
  assert.match(inTimeText(broken, terminal), warned);
  assert.equal(inTimeText({ objective: 'p99.99<=2s', in_time: 0.99958 }, plain), '99.95 %');
});

test('where nothing came there is a dash, and nothing where nothing is promised', () => {
  assert.deepEqual(
    [inTimeText, keptText].map((text) => text({ objective: 'p95<=50ms', in_time: null }, plain)),
    ['–', '–'],
  );
  assert.deepEqual(
    [inTimeText, keptText].map((text) => text({ objective: null, in_time: null }, plain)),
    ['', ''],
  );
});
