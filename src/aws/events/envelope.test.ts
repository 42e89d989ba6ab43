import assert from 'node:assert/strict';
import { test } from 'node:test';
import { envelopeOf } from './envelope.ts';

const place = { account: '000000000000', region: 'us-east-1' };
const atMs = Date.UTC(2026, 10, 24);

function told(kind: string, detail: unknown): Record<string, unknown> {
  return envelopeOf({ seq: 1, id: 'e1', kind, subject: 'digits', detail, atMs }, place).detail as Record<string, unknown>;
}

for (const { kind, detail, status, failure } of [
  { kind: 'endpoint.updating', detail: { reason: 'requests under way are being finished' }, status: 'UPDATING', failure: undefined },
  { kind: 'endpoint.failed', detail: { reason: 'its workers crash' }, status: 'FAILED', failure: 'its workers crash' },
  { kind: 'endpoint.rolling-back', detail: { reason: 'alarm slow rings' }, status: 'ROLLING_BACK', failure: 'alarm slow rings' },
]) {
  test(`${kind} tells ${failure === undefined ? 'of no failure, for it is none' : 'why'}`, () => {
    const { EndpointStatus, FailureReason } = told(kind, detail);
    assert.deepEqual([EndpointStatus, FailureReason], [status, failure]);
  });
}

for (const { state, failure } of [
  { state: 'Stopped', failure: undefined },
  { state: 'Failed', failure: 'line 3 is no number' },
]) {
  test(`a transform job that is ${state} tells ${failure === undefined ? 'of no failure' : 'why'}`, () => {
    const { TransformJobStatus, FailureReason } = told('transform.ended', { state, reason: 'line 3 is no number' });
    assert.deepEqual([TransformJobStatus, FailureReason], [state, failure]);
  });
}
