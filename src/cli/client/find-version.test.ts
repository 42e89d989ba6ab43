import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VersionBody } from '../../api/index.ts';
import { chooseVersion, type RolledBackVersion, type WatchedEndpointBody } from './find-version.ts';

const versions = (approvals: readonly VersionBody['approval'][]): VersionBody[] =>
  approvals.map((approval, index) => ({ name: `cancer/${index + 1}`, version: index + 1, approval }) as VersionBody);
const back = (version: number): RolledBackVersion => ({
  model: `cancer/${version}`,
  endpoint: 'cancer',
  reason: 'alarm errors is in ALARM',
  at: '2026-11-27T05:05:05.000Z',
});

for (const { when, of, rolledBack = [], watched = [], chosen } of [
  { when: 'all are approved', of: versions(['Approved', 'Approved']), chosen: 'cancer/2, the newest approved version' },
  {
    when: 'a newer one is not approved',
    of: versions(['Approved', 'PendingManualApproval', 'Rejected']),
    chosen: 'cancer/1, the newest approved version; 2 newer versions are not approved',
  },
  {
    when: 'the newest was rolled back',
    of: versions(['Approved', 'Approved', 'Approved']),
    rolledBack: [back(3)],
    chosen:
      'cancer/2, the newest approved version that was not rolled back; endpoint cancer rolled back cancer/3 (alarm errors is in ALARM)',
  },
  {
    when: 'an older one was rolled back',
    of: versions(['Approved', 'Approved']),
    rolledBack: [back(1)],
    chosen: 'cancer/2, the newest approved version',
  },
  {
    when: 'the newest is still being watched',
    of: versions(['Approved', 'Approved']),
    watched: [{ model: 'cancer/2', endpoint: 'cancer' }] as WatchedEndpointBody[],
    chosen: 'cancer/2, the newest approved version; endpoint cancer is still watching it and may roll it back',
  },
  {
    when: 'another one is being watched',
    of: versions(['Approved', 'Approved']),
    watched: [{ model: 'cancer/1', endpoint: 'cancer' }] as WatchedEndpointBody[],
    chosen: 'cancer/2, the newest approved version',
  },
  {
    when: 'none is approved',
    of: versions(['PendingManualApproval', 'Rejected']),
    chosen: 'cancer/2, the newest version: none is approved',
  },
  {
    when: 'each was rolled back',
    of: versions(['Approved']),
    rolledBack: [back(1)],
    chosen: 'endpoint cancer rolled back cancer/1 (alarm errors is in ALARM): name a version explicitly, such as cancer/1',
  },
  { when: 'there are none', of: [], chosen: 'cancer has no versions: register one with `penstock register FILE --group cancer`' },
]) {
  test(`chooses a version of a group and says why, if ${when}`, () => {
    const choice = chooseVersion('cancer', of, rolledBack, watched);
    assert.equal('refusal' in choice ? choice.refusal : choice.why, chosen);
  });
}
