import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VersionBody } from '../api/index.ts';
import { chooseVersion, type TakenBack, type Watched } from './find-version.ts';

const versions = (approvals: readonly VersionBody['approval'][]): VersionBody[] =>
  approvals.map((approval, index) => ({ name: `cancer/${index + 1}`, version: index + 1, approval }) as VersionBody);
const back = (version: number): TakenBack => ({
  model: `cancer/${version}`,
  endpoint: 'cancer',
  reason: 'alarm errors is in ALARM',
  at: '2026-11-27T05:05:05.000Z',
});

for (const { when, of, takenBack = [], watched = [], chosen } of [
  { when: 'all is well', of: versions(['Approved', 'Approved']), chosen: 'cancer/2, the newest approved' },
  {
    when: 'a newer one is not approved',
    of: versions(['Approved', 'PendingManualApproval', 'Rejected']),
    chosen: 'cancer/1, the newest approved; 2 newer versions not approved',
  },
  {
    when: 'the newest was taken back',
    of: versions(['Approved', 'Approved', 'Approved']),
    takenBack: [back(3)],
    chosen: 'cancer/2, the newest approved that was not taken back; endpoint cancer took cancer/3 back (alarm errors is in ALARM)',
  },
  {
    when: 'an older one was taken back',
    of: versions(['Approved', 'Approved']),
    takenBack: [back(1)],
    chosen: 'cancer/2, the newest approved',
  },
  {
    when: 'the newest is still being watched',
    of: versions(['Approved', 'Approved']),
    watched: [{ model: 'cancer/2', endpoint: 'cancer' }] as Watched[],
    chosen: 'cancer/2, the newest approved; endpoint cancer still watches it and may take it back',
  },
  {
    when: 'another one is being watched',
    of: versions(['Approved', 'Approved']),
    watched: [{ model: 'cancer/1', endpoint: 'cancer' }] as Watched[],
    chosen: 'cancer/2, the newest approved',
  },
  { when: 'none is approved', of: versions(['PendingManualApproval', 'Rejected']), chosen: 'cancer/2, the newest: none is approved' },
  {
    when: 'each was taken back',
    of: versions(['Approved']),
    takenBack: [back(1)],
    chosen: 'endpoint cancer took cancer/1 back (alarm errors is in ALARM): name the one you mean, cancer/1 say',
  },
  { when: 'there is none', of: [], chosen: 'cancer has no versions: register one with `penstock register FILE --group cancer`' },
]) {
  test(`of a group, where ${when}, it is told which version is taken and why`, () => {
    const choice = chooseVersion('cancer', of, takenBack, watched);
    assert.equal('refusal' in choice ? choice.refusal : choice.why, chosen);
  });
}
