import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventBody } from '../../../src/api/index.ts';
import { eventWords, isNews } from './event-words.ts';

const event = (kind: string, detail: unknown): EventBody => ({
  seq: 1,
  id: '1',
  kind,
  subject: 'digits',
  at: '2026-11-26T14:52:00.000Z',
  detail,
});
const alarm = (oldState: string, newState: string): EventBody => event('alarm.state-changed', { oldState, newState });

test('an alarm that begins to watch is no news, and not quiet again', () => {
  const first = alarm('INSUFFICIENT_DATA', 'OK');
  assert.deepEqual([isNews(first), eventWords(first).text], [false, 'watches, and is quiet']);
  const after = alarm('ALARM', 'OK');
  assert.deepEqual([isNews(after), eventWords(after).text], [true, 'is quiet again']);
  assert.deepEqual([isNews(alarm('INSUFFICIENT_DATA', 'ALARM')), eventWords(alarm('OK', 'ALARM')).text], [true, 'rings']);
});

test('a decision names its promise as the console writes it', () => {
  const { text } = eventWords(
    event('decision.made', { chosen: { batchSizeMax: 2, memoryMiB: 128 }, reason: 'the cheapest that keeps p95<=50ms' }),
  );
  assert.equal(text, 'batches of 2, 128 MB: the cheapest that keeps p95\u00a0≤\u00a050\u00a0ms');
});

test('a measurement names where, and how long', () => {
  const measured = (executor: string): string => eventWords(event('profile.measured', { executor, batchMax: 32, p50Ms: 0.104 })).text;
  assert.equal(measured('function:1769'), 'was measured on a function of 1,769 MB: 0.10 ms for one row');
  assert.match(measured('instance:local.1'), /^was measured on an instance local\.1: /);
});

test('a server that was killed is news', () => {
  const end: EventBody = { ...event('server.ended-abruptly', { lastSignMs: 1, withMachine: false }), subject: 'server' };
  assert.deepEqual([isNews(end), eventWords(end).kind, eventWords(end).text], [true, 'bad', 'ended abruptly, and was started again']);
});

test('a worker that was killed is news, of its endpoint', () => {
  const end = event('worker.ended-abruptly', { reason: 'killed by SIGKILL', requests: 2 });
  assert.deepEqual(
    [isNews(end), eventWords(end)],
    [true, { kind: 'bad', text: 'lost a worker: killed by SIGKILL', to: '/endpoints/digits' }],
  );
});

test('a change says which settings, from what to what', () => {
  const settings = [
    { setting: 'objective', from: 'p95<=50ms', to: null },
    { setting: 'late', from: 'serve', to: 'shed' },
  ];
  const changed = event('endpoint.settings-changed', { generation: 2, settings, moreSettings: 3 });
  const words = 'was given other settings: objective from p95\u00a0≤\u00a050\u00a0ms to none, late from serve to shed and 3 more';
  assert.deepEqual([isNews(changed), eventWords(changed).text], [true, words]);
  const plain = event('endpoint.changed', { generation: 2, config: {} });
  assert.deepEqual([isNews(plain), eventWords(plain).text], [false, 'was changed: generation 2']);
});

for (const { kind, to } of [
  { kind: 'model.created', to: '/models' },
  { kind: 'model.deleted', to: '/models' },
  { kind: 'overflow.suspended', to: '/endpoints/digits' },
  { kind: 'overflow.resumed', to: '/endpoints/digits' },
  { kind: 'endpoint.load-requested', to: '/endpoints/digits' },
]) {
  test(`${kind} has a sentence, and a way to what it is about`, () => {
    const words = eventWords(event(kind, {}));
    assert.notEqual(words.text, kind);
    assert.equal(words.to, to);
  });
}
