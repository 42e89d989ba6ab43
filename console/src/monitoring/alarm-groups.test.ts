import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AlarmBody } from '../../../src/api/index.ts';
import { alarmGroups, alarmTab, alarmText, alarmTitle } from './alarm-groups.ts';

const alarm = (name: string, state: AlarmBody['state'] = 'OK', endpoint?: string): AlarmBody => ({
  name,
  state,
  managed: name.startsWith('penstock/'),
  metric: endpoint === undefined ? null : { namespace: 'Penstock', dimensions: { EndpointName: endpoint } },
  description: '',
  rule: null,
  missing_data: 'missing',
  actions: { alarm: [], ok: [], insufficient_data: [] },
  actions_enabled: true,
  reason: '',
  since: '2026-11-26T14:52:00.000Z',
});

test('groups by endpoint: firing groups first, then endpoints by name, then the server and the rest', () => {
  const groups = alarmGroups([
    alarm('penstock/memory'),
    alarm('on-anything'),
    alarm('penstock/b/errors'),
    alarm('penstock/b/objective', 'ALARM'),
    alarm('slow', 'INSUFFICIENT_DATA', 'b'),
    alarm('penstock/a/errors'),
    alarm('penstock/c/errors'),
  ]);
  assert.deepEqual(
    groups.map(({ title, endpoint, firing, alarms }) => [title, endpoint, firing, alarms.map(alarmTitle)]),
    [
      ['b', 'b', 1, ['objective', 'slow', 'errors']],
      ['a', 'a', 0, ['errors']],
      ['c', 'c', 0, ['errors']],
      ['Server', null, 0, ['memory']],
      ['Other', null, 0, ['on-anything']],
    ],
  );
});

test('a default alarm says what it is about, without repeating its endpoint', () => {
  const text = 'Endpoint digits: calls fail because of the model or the platform. Every endpoint has this alarm.';
  assert.equal(alarmText({ managed: true, rule: null, description: text }), 'Calls fail because of the model or the platform.');
  assert.equal(
    alarmText({ managed: false, rule: 'p99 of Latency > 50', description: 'for the pager' }),
    'p99 of Latency > 50. for the pager',
  );
  assert.deepEqual([alarmTab(alarm('penstock/a/errors')), alarmTab(alarm('penstock/a/objective'))], ['logs', undefined]);
});
