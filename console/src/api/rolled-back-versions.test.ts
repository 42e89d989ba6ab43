import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rolledBackBy, versionToDeploy } from './rolled-back-versions.ts';

const at = '2026-01-02T03:04:05.000Z';
const reason = '3 of 4 requests failed';
const prod = { name: 'prod', rolled_back: [{ model: 'Digits/2', reason, at }] };
const idle = { name: 'idle', rolled_back: [] };

function version(number: number, approval: 'Approved' | 'Rejected' | 'PendingManualApproval' = 'Approved') {
  return { name: `digits/${number}`, version: number, approval };
}

test('lists the endpoints that rolled a version back, and why', () => {
  assert.deepEqual(rolledBackBy([prod, idle], 'digits/2'), [{ endpoint: 'prod', reason, at }]);
  assert.deepEqual(rolledBackBy([prod, idle], 'digits/1'), []);
});

for (const { when, versions, endpoints, name } of [
  { when: 'none was rolled back', versions: [version(1), version(2)], endpoints: [idle], name: 'digits/2' },
  { when: 'the newest was rolled back', versions: [version(2), version(1)], endpoints: [idle, prod], name: 'digits/1' },
  { when: 'a newer one has been approved since', versions: [version(3), version(2), version(1)], endpoints: [prod], name: 'digits/3' },
  { when: 'a newer one is not approved', versions: [version(3, 'Rejected'), version(2), version(1)], endpoints: [prod], name: 'digits/1' },
  { when: 'the only one was rolled back', versions: [version(2)], endpoints: [prod], name: null },
]) {
  test(`proposes ${name ?? 'none'} if ${when}`, () => assert.equal(versionToDeploy(versions, endpoints), name));
}
