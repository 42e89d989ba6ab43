import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AuditedChange, changeEntries } from './format-change.ts';

const change = (id: string, action: string, version: number, more: object = {}): AuditedChange => {
  const detail = { generation: 1, config: { variants: [{ group: 'cancer', version }] }, ...more };
  return { id, at: '2026-11-26T22:00:00.000Z', who: 'anonymous', action, target: 'cancer', outcome: 'ok', detail };
};

test('describes updates by their versions, rollbacks by their reason, and settings without either', () => {
  const entries = changeEntries([
    change('5', 'RollBackEndpoint', 1, { reason: 'alarm errors is in ALARM' }),
    change('4', 'UpdateEndpoint', 2),
    change('3', 'UpdateEndpoint', 1),
    { ...change('2', 'UpdateEndpoint', 3), outcome: 'wrong_state' },
    change('1', 'CreateEndpoint', 1),
  ]);
  assert.deepEqual(
    entries.map(({ title, why }) => [title, why]),
    [
      ['Rolled back from cancer/2 to cancer/1', 'alarm errors is in ALARM'],
      ['Update from cancer/1 to cancer/2', null],
      ['Settings changed', null],
      ['Created with cancer/1', null],
    ],
  );
});
