import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultText, shownFigure, startsText, tookMs, triggerText } from './pipeline-text.ts';

test('what starts a pipeline is its schedule, the kinds of its events, or a person', () => {
  assert.equal(startsText({ schedule: null, event: null }), 'by hand');
  assert.equal(startsText({ schedule: 'rate(1 day)', event: '{"detail-type":["endpoint.drifted"]}' }), 'rate(1 day), endpoint.drifted');
  assert.equal(startsText({ schedule: null, event: '{"source":["penstock"]}' }), 'events');
  assert.equal(startsText({ schedule: null, event: '{"detail-type":[{"prefix":"endpoint."}]}' }), 'events');
});

test('triggers that count as one are counted', () => {
  assert.equal(triggerText({ kind: 'manual', by: 'admin', count: 1 }), 'by admin');
  assert.equal(triggerText({ kind: 'event', by: 'endpoint.drifted', count: 3 }), 'on endpoint.drifted, 3 triggers as one');
});

const step = { step: 'train', state: 'Completed', note: 'trained', started_at: '2026-11-28T10:00:00Z', ended_at: null } as const;

test('the result of a run is its reason, else what its last step said that was not skipped', () => {
  const steps = [step, { ...step, step: 'deploy', state: 'Skipped', note: 'digits/3 was rejected' } as const];
  assert.equal(resultText({ reason: 'the key was revoked', steps }), 'the key was revoked');
  assert.equal(resultText({ reason: null, steps }), 'trained');
  assert.equal(resultText({ reason: null, steps: [] }), null);
});

test('a step in progress takes as long as it has run so far', () => {
  const nowMs = Date.parse('2026-11-28T10:00:05Z');
  assert.equal(tookMs(step, nowMs), 5000);
  assert.equal(tookMs({ ...step, ended_at: '2026-11-28T10:00:02Z' }, nowMs), 2000);
  assert.equal(tookMs({ ...step, started_at: null }, nowMs), null);
});

test('figures have three significant digits', () => {
  assert.equal(shownFigure(0.0080312), '0.00803');
  assert.equal(shownFigure(-0.01333), '−0.0133');
});
