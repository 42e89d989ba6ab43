import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventBody } from '../../../../src/api/index.ts';
import { formatEvent, formatEventKind, isNews } from './format-event.ts';

const event = (kind: string, detail: unknown): EventBody => ({
  seq: 1,
  id: '1',
  kind,
  subject: 'digits',
  at: '2026-11-26T14:52:00.000Z',
  detail,
});
const alarm = (oldState: string, newState: string): EventBody => event('alarm.state-changed', { oldState, newState });

test('an alarm that gets its first data is no news and has not recovered', () => {
  const first = alarm('INSUFFICIENT_DATA', 'OK');
  assert.deepEqual([isNews(first), formatEvent(first).text], [false, 'has data and is OK']);
  const after = alarm('ALARM', 'OK');
  assert.deepEqual([isNews(after), formatEvent(after).text], [true, 'is OK again']);
  assert.deepEqual([isNews(alarm('INSUFFICIENT_DATA', 'ALARM')), formatEvent(alarm('OK', 'ALARM')).text], [true, 'is firing']);
});

test('a decision formats its objective like the rest of the console', () => {
  const { text } = formatEvent(
    event('decision.made', { chosen: { batchSizeMax: 2, memoryMiB: 128 }, reason: 'the cheapest that meets p95<=50ms' }),
  );
  assert.equal(text, 'batches of 2, 128 MB: the cheapest that meets p95\u00a0≤\u00a050\u00a0ms');
});

test('a measurement names the executor and the service time', () => {
  const measured = (executor: string): string => formatEvent(event('profile.measured', { executor, batchMax: 32, p50Ms: 0.104 })).text;
  assert.equal(measured('function:1769'), 'was profiled on a function with 1,769 MB: 0.10 ms for one row');
  assert.match(measured('instance:local.1'), /^was profiled on an instance local\.1: /);
});

test('a server that was killed is news', () => {
  const end: EventBody = { ...event('server.crashed', { lastSignMs: 1, withMachine: false }), subject: 'server' };
  assert.deepEqual([isNews(end), formatEvent(end).kind, formatEvent(end).text], [true, 'bad', 'ended abruptly and was restarted']);
});

test('a worker that was killed is news and links to its endpoint', () => {
  const end = event('worker.crashed', { reason: 'killed by SIGKILL', requests: 2 });
  assert.deepEqual(
    [isNews(end), formatEvent(end)],
    [true, { kind: 'bad', text: 'lost a worker: killed by SIGKILL', to: '/endpoints/digits' }],
  );
});

test('a change lists each setting with its old and new value', () => {
  const settings = [
    { setting: 'objective', from: 'p95<=50ms', to: null },
    { setting: 'late', from: 'serve', to: 'shed' },
  ];
  const changed = event('endpoint.settings-changed', { generation: 2, settings, moreSettings: 3 });
  const text = 'changed settings: objective from p95\u00a0≤\u00a050\u00a0ms to none, late from serve to shed and 3 more';
  assert.deepEqual([isNews(changed), formatEvent(changed).text], [true, text]);
  const plain = event('endpoint.changed', { generation: 2, config: {} });
  assert.deepEqual([isNews(plain), formatEvent(plain).text], [false, 'was changed: generation 2']);
});

for (const { kind, to } of [
  { kind: 'model.created', to: '/models' },
  { kind: 'model.deleted', to: '/models' },
  { kind: 'overflow.suspended', to: '/endpoints/digits' },
  { kind: 'overflow.resumed', to: '/endpoints/digits' },
  { kind: 'endpoint.load-requested', to: '/endpoints/digits' },
]) {
  test(`${kind} has a text of its own and a link`, () => {
    const text = formatEvent(event(kind, {}));
    assert.notEqual(text.text, kind);
    assert.equal(text.to, to);
  });
}

test('kinds are shown in words, also those of a newer server', () => {
  const kinds = ['endpoint.in-service', 'async.failed', 'alarm.state-changed', 'weather.turned-bad', 'odd'];
  assert.deepEqual(kinds.map(formatEventKind), [
    'Endpoint in service',
    'Asynchronous request failed',
    'Alarm state changed',
    'Weather turned bad',
    'Odd',
  ]);
  assert.equal(formatEvent(event('weather.turned-bad', {})).text, 'weather turned bad');
});
