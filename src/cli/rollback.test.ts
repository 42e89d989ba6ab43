import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { runAgainst } from '../../test/cli-house.ts';
import { changeBackText, stayingText } from './settings-text.ts';
import { updatesText } from './updates-table.ts';

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
  reason: 'asked for by hand',
  by: 'me',
  settings: [],
  more_settings: 0,
  staying,
  more_staying: 0,
  versions: [],
};
const told =
  'objective from none to p95<=1ms, late from serve to shed, timeout_ms from 60000 to 2000, AllTraffic.instance_count from 1 to 2';
const command = 'penstock deploy digits/1 digits --objective none --late serve --request-timeout 60s --instances 1';

/** An endpoint of two versions, rolled back by the one call that changes it. */
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

test('a rollback prints which settings stay that came with what it left, and the command that changes them back', async () => {
  const { code, stdout } = await runAgainst(server(update), ['rollback', 'digits']);
  assert.equal(code, 0);
  const lines = ['digits went back from digits/2 to digits/1', `these settings stay: ${told}`, `\`${command}\` changes them back`];
  assert.equal(stdout, `${lines.join('\n')}\n`);
});

test('a rollback says nothing of settings where none came with what it left, nor of those of an earlier one', async () => {
  for (const of of [
    { ...update, staying: [] },
    { ...update, generation: 2 },
  ]) {
    const { stdout } = await runAgainst(server(of), ['rollback', 'digits']);
    assert.equal(stdout, 'digits went back from digits/2 to digits/1\n');
  }
});

test('the decisions tell of a rollback which settings stay, and the command that changes them back', () => {
  assert.match(
    updatesText([update]),
    new RegExp(`these settings stay: ${told}; \`${command}\` changes them back; asked for by hand, by me$`, 'm'),
  );
});

test('what has no option, or is of several variants, is changed back natively', () => {
  const scaling = [
    { setting: 'AllTraffic.scaling.policy', from: null, to: 'economic' },
    { setting: 'AllTraffic.scaling.instances_min', from: null, to: 1 },
    { setting: 'description', from: 'a', to: 'b' },
  ];
  const natively = 'PATCH /api/v1/endpoints/digits changes';
  assert.equal(
    changeBackText({ ...update, staying: scaling }),
    `\`penstock deploy digits/1 digits --scaling none\`, and for the rest ${natively} them back`,
  );
  const [, , description] = scaling;
  assert.equal(changeBackText({ ...update, staying: description === undefined ? [] : [description] }), `${natively} them back`);
  assert.equal(changeBackText({ ...update, to: ['digits/1', 'digits/3'] }), `${natively} them back`);
  assert.equal(stayingText({ ...update, staying: [] }), '');
});
