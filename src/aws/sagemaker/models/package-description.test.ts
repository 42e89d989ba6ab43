import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelVersion } from '../../../registry/index.ts';
import { describePackage, summarizePackage } from './package-description.ts';

for (const { state, reason, status } of [
  { state: 'registered', reason: null, status: 'Completed' },
  { state: 'opening', reason: null, status: 'InProgress' },
  { state: 'opened', reason: null, status: 'Completed' },
  { state: 'failed', reason: "No module named 'cv2'", status: 'Failed' },
] as const) {
  test(`the package of a Python model that is ${state} is ${status}`, () => {
    const facts = { description: '', approval: 'PendingManualApproval', metadata: {}, createdBy: 'AKME' };
    const files = { runtime: { kind: 'python' }, artifact: { sha256: 'a' }, python: { state, reason } };
    const registered = { group: 'stars', version: 1, ...facts, ...files } as unknown as ModelVersion;
    const record = { name: 'stars', version: 1, document: null, registered, createdAtMs: 0 };
    const location = { account: '000000000000', region: 'us-east-1' };
    assert.equal(summarizePackage(record, location)['ModelPackageStatus'], status);
    const { ModelPackageStatus, ModelPackageStatusDetails } = describePackage(record, location);
    const shown = reason === null ? { Name: 'ModelFile', Status: status } : { Name: 'ModelFile', Status: status, FailureReason: reason };
    assert.deepEqual([ModelPackageStatus, ModelPackageStatusDetails], [status, { ValidationStatuses: [shown], ImageScanStatuses: [] }]);
  });
}
