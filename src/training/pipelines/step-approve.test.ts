import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PairedTest } from './judge-better.ts';
import type { ApproveSettings } from './pipeline-spec.ts';
import { chooseApproval, judgedBy } from './step-approve.ts';

const approve: ApproveSettings = { when: 'better', confidence: 0.95, marginMin: 0, unsure: 'manual' };
const paired = (wins: number, losses: number, pBetter: number, pWorse: number): PairedTest => ({
  kind: 'mcnemar',
  rows: 450,
  wins,
  losses,
  gain: (wins - losses) / 450,
  pBetter,
  pWorse,
});

describe('what was trained', () => {
  for (const { what, settings, facts, action, verdict, reason } of [
    {
      what: 'is approved if the test proves it better',
      settings: {},
      facts: { test: paired(31, 14, 0.008, 0.997) },
      action: 'approve',
      verdict: 'better',
      reason: /\(against digits\/6\)$/,
    },
    {
      what: 'is rejected if the test proves it worse',
      settings: {},
      facts: { test: paired(14, 31, 0.997, 0.008) },
      action: 'reject',
      verdict: 'worse',
      reason: /^worse/,
    },
    {
      what: 'waits for an approver if the test proves neither',
      settings: {},
      facts: { test: paired(8, 5, 0.29, 0.87) },
      action: 'keep',
      verdict: 'unsure',
      reason: /^not proven/,
    },
    {
      what: 'is rejected instead, if the file says so',
      settings: { unsure: 'reject' as const },
      facts: { test: paired(8, 5, 0.29, 0.87) },
      action: 'reject',
      verdict: 'unsure',
      reason: /^not proven/,
    },
    {
      what: 'is approved if it is the first',
      settings: {},
      facts: { against: null, test: null },
      action: 'approve',
      verdict: 'better',
      reason: /is the first/,
    },
    {
      what: 'is approved always',
      settings: { when: 'always' as const },
      facts: { test: null },
      action: 'approve',
      verdict: null,
      reason: /always/,
    },
    {
      what: 'is left to an approver',
      settings: { when: 'manual' as const },
      facts: { test: paired(31, 14, 0.008, 0.997) },
      action: 'keep',
      verdict: null,
      reason: /manual/,
    },
  ] as const) {
    test(what, () => {
      const choice = chooseApproval({ ...approve, ...settings }, { version: 'digits/7', against: 'digits/6', ...facts });
      assert.deepEqual([choice.action, choice.verdict], [action, verdict]);
      assert.match(choice.reason, reason);
    });
  }
});

test('what a person decided during the run stands', () => {
  const by = (approval: 'PendingManualApproval' | 'Approved' | 'Rejected', action: 'approve' | 'reject' | 'keep') =>
    judgedBy({ approval, approvalChangedBy: approval === 'PendingManualApproval' ? null : 'AKIA' }, action);
  assert.equal(by('Rejected', 'approve'), 'Rejected by AKIA');
  assert.equal(by('Approved', 'reject'), 'Approved by AKIA');
  // Also by the run itself, before a restart.
  assert.deepEqual([by('Approved', 'approve'), by('Rejected', 'reject')], [null, null]);
  assert.deepEqual([by('PendingManualApproval', 'approve'), by('Rejected', 'keep')], [null, null]);
});
