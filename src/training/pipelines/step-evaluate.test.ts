import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePipelineFile } from './pipeline-file.ts';
import type { RunStepDeps } from './run-steps.ts';
import { versionAgainst } from './step-evaluate.ts';

const spec = parsePipelineFile(
  'name: a\ntrain: {command: [/bin/true]}\nregister: {group: digits}\nevaluate: {data: s3://b/h.csv, label: l}\n' +
    'approve: {when: better}\ndeploy: {endpoint: digits}\n',
  0,
);

test('without the endpoint, what was trained is compared with the newest approved version: to delete an endpoint approves nothing', async () => {
  const against = (approved: string | null) => {
    const registry = { latestApproved: async () => (approved === null ? null : { name: approved }) };
    const deps = { deployments: { list: () => [] }, registry } as unknown as RunStepDeps;
    return versionAgainst(deps, spec, 'digits/7');
  };
  assert.equal(await against('digits/6'), 'digits/6');
  assert.equal(await against(null), null);
  assert.equal(await against('digits/7'), null);
});
