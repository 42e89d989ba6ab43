import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PlatformEvent } from '../../records/index.ts';
import type { PipelineTrigger } from './pipeline.ts';
import { parsePipelineFile } from './pipeline-file.ts';
import { checkOwnEvents, isOfRollout, mergedTrigger, scheduleDueMs, startsAtMs, startValues } from './triggers.ts';

const nowMs = Date.UTC(2026, 10, 29);
const specWith = (on: string) => parsePipelineFile(`name: loop\n${on}\ntrain: {command: [/bin/true]}\n`, nowMs);
const trigger = (kind: PipelineTrigger['kind'], more: Partial<PipelineTrigger> = {}): PipelineTrigger => ({
  kind,
  by: kind,
  count: 1,
  atMs: nowMs,
  parameters: {},
  ...more,
});

describe('triggers', () => {
  test('that arrive while one waits count as one with it, and the strongest says why', () => {
    const event = trigger('event', { parameters: { a: '1', b: '1' } });
    const both = mergedTrigger(event, trigger('manual', { atMs: nowMs + 5, parameters: { b: '2' } }));
    assert.deepEqual(both, { kind: 'manual', by: 'manual', count: 2, atMs: nowMs, parameters: { a: '1', b: '2' }, setBy: {} });
    const after = mergedTrigger(both, trigger('event', { parameters: { b: '3', c: '3' } }));
    assert.deepEqual([after.kind, after.parameters], ['manual', { a: '1', b: '2', c: '3' }]);
    assert.deepEqual(mergedTrigger(after, trigger('manual', { parameters: { b: '4' } })).parameters, { a: '1', b: '4', c: '3' });
    assert.equal(mergedTrigger(null, event), event);
  });

  test('that are merged remember for each value that is used who gave it', () => {
    const first = trigger('manual', startValues({ a: '1', b: '1' }, 'AKIA1'));
    const second = mergedTrigger(first, trigger('event', startValues({ b: '2', c: '2' }, null)));
    assert.deepEqual(
      [second.parameters, second.setBy],
      [
        { a: '1', b: '1', c: '2' },
        { a: 'AKIA1', b: 'AKIA1', c: null },
      ],
    );
  });

  test('by events keep a distance from the run before; schedules and callers do not', () => {
    const spec = specWith('on: {atMostEvery: 6h}');
    const at = (waiting: PipelineTrigger | null, lastStartedAtMs: number | null) => startsAtMs({ spec, waiting, lastStartedAtMs });
    assert.equal(at(null, nowMs), null);
    assert.equal(at(trigger('event'), null), nowMs);
    assert.equal(at(trigger('event'), nowMs - 3_600_000), nowMs + 5 * 3_600_000);
    assert.equal(at(trigger('schedule'), nowMs - 1), nowMs);
    assert.equal(at(trigger('manual'), nowMs - 1), nowMs);
  });

  test('by a schedule are due once for all times that passed meanwhile', () => {
    const spec = specWith('on: {schedule: rate(1 day)}');
    const day = 86_400_000;
    const due = (scheduleHandledMs: number) => scheduleDueMs({ spec, scheduleHandledMs, createdAtMs: nowMs });
    assert.equal(due(nowMs), nowMs + day);
    assert.equal(due(nowMs + 3.5 * day), nowMs + 4 * day);
    assert.equal(scheduleDueMs({ spec: specWith(''), scheduleHandledMs: 0, createdAtMs: 0 }), null);
  });

  for (const pattern of [
    '{source: [penstock], detail-type: [pipeline.run-ended], resources: [loop]}',
    '{source: [penstock]}',
    '{detail-type: [{prefix: pipeline.}], detail: {state: [Failed]}}',
  ]) {
    test(`that are the pipeline's own are rejected: ${pattern}`, () => {
      assert.throws(() => checkOwnEvents(specWith(`on: {event: ${pattern}}`)), {
        code: 'invalid_request',
        message: /^on\.event matches pipeline\.\S+ of pipeline loop itself, so it would start itself forever/,
      });
    });
  }

  test('of another pipeline, or of other resources, are accepted', () => {
    for (const pattern of ['{detail-type: [pipeline.run-ended], resources: [other]}', '{detail-type: [endpoint.drifted]}'])
      assert.doesNotThrow(() => checkOwnEvents(specWith(`on: {event: ${pattern}}`)));
  });

  test('are not the events of the rollout of a run, but those of others, and drift', () => {
    const spec = { deploy: { endpoint: 'digits', steps: [], alarms: [] } };
    const runs = [{ startedAtMs: nowMs, endedAtMs: nowMs + 1000 }];
    const isOwn = (kind: PlatformEvent['kind'], subject = 'digits', atMs = nowMs + 500): boolean =>
      isOfRollout({ kind, subject, atMs }, spec, runs);
    assert.deepEqual(
      [isOwn('endpoint.updating'), isOwn('decision.made'), isOwn('endpoint.in-service', 'DIGITS', nowMs + 2000)],
      [true, true, true],
    );
    assert.deepEqual([isOwn('endpoint.drifted'), isOwn('endpoint.updating', 'iris'), isOwn('version.approved')], [false, false, false]);
    assert.deepEqual(
      [isOwn('endpoint.updating', 'digits', nowMs - 1), isOwn('endpoint.updating', 'digits', nowMs + 90_000)],
      [false, false],
    );
    assert.equal(isOfRollout({ kind: 'endpoint.updating', subject: 'digits', atMs: nowMs }, { deploy: null }, runs), false);
  });
});
