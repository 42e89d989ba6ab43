import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { runAgainst } from '../../../../test/cli-fixture.ts';
import { revertText, unchangedText } from '../../output/settings-text.ts';
import { updatesText } from '../../output/updates-table.ts';

const staying = [
  { setting: 'objective', from: null, to: 'p95<=1ms' },
  { setting: 'late', from: 'serve', to: 'shed' },
  { setting: 'timeout_ms', from: 60_000, to: 2000 },
  { setting: 'AllTraffic.instance_count', from: 1, to: 2 },
];
const update = {
  at: '2026-11-27T12:00:00Z',
  what: 'rolled back' as const,
  endpoint: 'digits',
  generation: 3,
  from: ['digits/2'],
  to: ['digits/1'],
  share_percent: null,
  reason: 'requested manually',
  by: 'me',
  settings: [],
  more_settings: 0,
  staying,
  more_staying: 0,
  versions: [],
};
const settings =
  'objective from none to p95<=1ms, late from serve to shed, timeout_ms from 60000 to 2000, AllTraffic.instance_count from 1 to 2';
const command = 'penstock deploy digits/1 digits --objective none --late serve --request-timeout 60s --instances 1';

/** An endpoint of two versions, which the first POST rolls back. */
function server(of: object): RequestListener {
  const state = { generation: 2, model: 'digits/2' };
  return ({ method, url = '' }, response) => {
    if (method === 'POST') Object.assign(state, { generation: 3, model: 'digits/1' });
    const variants = [{ name: 'AllTraffic', model: state.model, workers: [], functions: null }];
    const rest = { status: 'InService', reason: null, rollout: null, served_generation: state.generation, notes: [] };
    response.writeHead(200, { 'content-type': 'application/json' });
    const answer = url.includes('/updates?') ? { items: [of], next: null } : { name: 'digits', ...state, ...rest, variants };
    response.end(JSON.stringify(answer));
  };
}

test('prints the settings that a rollback does not revert, and the command that does', async () => {
  const { code, stdout } = await runAgainst(server(update), ['rollback', 'digits']);
  assert.equal(code, 0);
  const lines = ['digits was rolled back from digits/2 to digits/1', `not reverted: ${settings}`, `revert with \`${command}\``];
  assert.equal(stdout, `${lines.join('\n')}\n`);
});

test('prints no settings if a rollback reverts all, and none of an earlier rollback', async () => {
  for (const of of [
    { ...update, staying: [] },
    { ...update, generation: 2 },
  ]) {
    const { stdout } = await runAgainst(server(of), ['rollback', 'digits']);
    assert.equal(stdout, 'digits was rolled back from digits/2 to digits/1\n');
  }
});

test('shows the settings that a rollback did not revert among the decisions', () => {
  assert.match(updatesText([update]), new RegExp(`not reverted: ${settings}; revert with \`${command}\`; requested manually, by me$`, 'm'));
});

test('refers to the API for settings without an option, and for several variants', () => {
  const scaling = [
    { setting: 'AllTraffic.scaling.policy', from: null, to: 'economic' },
    { setting: 'AllTraffic.scaling.instances_min', from: null, to: 1 },
    { setting: 'description', from: 'a', to: 'b' },
  ];
  const natively = 'PATCH /api/v1/endpoints/digits';
  assert.equal(
    revertText({ ...update, staying: scaling }),
    `revert with \`penstock deploy digits/1 digits --scaling none\`, and the rest with ${natively}`,
  );
  const [, , description] = scaling;
  assert.equal(revertText({ ...update, staying: description === undefined ? [] : [description] }), `revert with ${natively}`);
  assert.equal(revertText({ ...update, to: ['digits/1', 'digits/3'] }), `revert with ${natively}`);
  assert.equal(unchangedText({ ...update, staying: [] }), '');
});
