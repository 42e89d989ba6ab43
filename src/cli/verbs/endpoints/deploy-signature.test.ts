/** `penstock deploy` approves no version that its endpoint would reject. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runAgainst } from '../../../../test/cli-fixture.ts';

const version = (number: number, input: string, approval: string) => ({
  name: `digits/${number}`,
  group: 'digits',
  version: number,
  approval,
  runtime: { kind: 'onnx' },
  batchable: true,
  signature: { inputs: [{ name: input, datatype: 'FP32', shape: [-1, 64] }], outputs: [] },
  notes: [],
});
const variant = { name: 'AllTraffic', model: 'digits/1', instance_count: 1, functions: null, scaling: null, workers: [] };
const endpoint = {
  name: 'digits',
  status: 'InService',
  reason: null,
  objective: null,
  generation: 2,
  notes: [],
  rollout: null,
  capture: null,
  selection: null,
};

/** Deploys to an endpoint that serves digits/1, which has one input `pixels`. A newly registered version becomes digits/2, pending approval. */
async function deployed(argv: readonly string[], { takes, variants = [variant] }: { takes: string; variants?: readonly object[] }) {
  const changes: string[] = [];
  const registered = { version: version(2, takes, 'PendingManualApproval'), reused: false };
  const answers: Readonly<Record<string, unknown>> = {
    'GET /endpoints/digits': { ...endpoint, variants },
    'PATCH /endpoints/digits': { ...endpoint, variants },
    'GET /catalogue': { items: [{ name: 'wine-rf' }] },
    'POST /catalogue/wine-rf/register': registered,
    'POST /groups/digits/versions': registered,
    'GET /groups/digits/versions/1': version(1, 'pixels', 'Approved'),
    'GET /groups/digits/versions/2': registered.version,
    'POST /groups/digits/versions/2/approval': version(2, takes, 'Approved'),
  };
  const answer: RequestListener = (request, response) => {
    const requested = `${request.method} ${request.url?.slice('/api/v1'.length).split('?')[0]}`;
    if (!requested.startsWith('GET')) changes.push(requested);
    request.resume().on('end', () => response.writeHead(requested in answers ? 200 : 404).end(JSON.stringify(answers[requested] ?? null)));
  };
  const ran = await runAgainst(answer, ['deploy', ...argv, '--no-wait']);
  return { ...ran, changes };
}

const refusal =
  'penstock: the signature of digits/2 is incompatible with that of digits/1, which endpoint digits serves: it has no input pixels. This would break callers, so digits/2 was not approved. Delete it with `penstock delete digits/2` and deploy the model under another name, or pass --allow-signature-change\n';

test('does not approve a catalogue model with other input tensors than the endpoint, and says what to do', async () => {
  const { code, stderr, changes } = await deployed(['catalogue:wine-rf', 'digits', '--approve'], { takes: 'features' });
  assert.deepEqual([code, changes], [1, ['POST /catalogue/wine-rf/register']]);
  assert(stderr.endsWith(refusal), stderr);
});

test('does not approve a file with other input tensors than the endpoint', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'penstock-deploy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'wine.onnx'), 'bytes');
  const { code, stderr, changes } = await deployed([join(folder, 'wine.onnx'), 'digits', '--approve'], { takes: 'features' });
  assert.deepEqual([code, changes], [1, ['POST /groups/digits/versions']]);
  assert(stderr.endsWith(refusal), stderr);
});

test('does not advise approving a version that the endpoint would reject', async () => {
  const { code, stderr, changes } = await deployed(['digits/2', 'digits'], { takes: 'features' });
  assert.deepEqual([code, changes], [1, []]);
  assert(stderr.endsWith(refusal), stderr);
});

for (const { when, argv, takes } of [
  { when: 'has the signature of the endpoint', argv: [], takes: 'pixels' },
  { when: 'has another signature, which is allowed', argv: ['--allow-signature-change'], takes: 'features' },
]) {
  test(`approves and deploys a version that ${when}`, async () => {
    const { code, stderr, changes } = await deployed(['digits/2', 'digits', '--approve', ...argv], { takes });
    assert.deepEqual([code, changes], [0, ['POST /groups/digits/versions/2/approval', 'PATCH /endpoints/digits']], stderr);
  });
}

test('registers and approves nothing for an endpoint of several variants, which deploy cannot change', async () => {
  const variants = [variant, { ...variant, name: 'Other' }];
  const { code, stderr, changes } = await deployed(['catalogue:wine-rf', 'digits', '--approve'], { takes: 'pixels', variants });
  assert.deepEqual([code, changes], [1, []]);
  assert.match(stderr, /endpoint digits has 2 variants: change it with PATCH/);
});
