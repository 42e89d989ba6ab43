import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatisticsBody } from '../api/index.ts';
import { countedText } from './verbs/describe.ts';

const variant = (name: string, since: string | null) => ({ name, statistics: since === null ? null : ({ since } as StatisticsBody) });
const [early, late] = ['2026-11-24T12:00:00.000Z', '2026-11-24T13:30:00.000Z'];

test('requests are counted since a moment that is told, for each variant where they differ', () => {
  assert.equal(
    countedText([variant('AllTraffic', early)]),
    'Requests, failed ones and times: of this version, since 2026-11-24 12:00:00 UTC\n',
  );
  assert.match(countedText([variant('a', early), variant('b', early)]), /, since 2026-11-24 12:00:00 UTC\n$/);
  assert.match(
    countedText([variant('a', early), variant('b', late), variant('c', null)]),
    /, since 2026-11-24 12:00:00 UTC \(a\), 2026-11-24 13:30:00 UTC \(b\)\n$/,
  );
  assert.equal(countedText([variant('AllTraffic', null)]), '');
});
