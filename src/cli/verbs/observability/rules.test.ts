/** `penstock rules`, against a server with scripted responses. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runAgainst, runVerb } from '../../../../test/cli-fixture.ts';
import type { DeliveryBody, RuleBody } from '../../../api/index.ts';

const at = '2026-11-27T05:00:00.123Z';
const failed: RuleBody = {
  name: 'failed',
  description: '',
  pattern: '{\n  "source": ["a"]\n}',
  schedule: null,
  state: 'enabled',
  fault: null,
  targets: [
    { id: 'hook', arn: 'https://a.example/x' },
    { id: 'log', arn: 'arn:aws:logs:log' },
  ],
  deliveries: { waiting: 0, failing: 2, given_up: 1 },
  created_by: 'me',
  created_at: at,
};
const setAside: RuleBody = {
  ...failed,
  name: 'old',
  state: 'set-aside',
  fault: 'it has no fields',
  targets: [],
  deliveries: { waiting: 0, failing: 0, given_up: 0 },
};
const lost: DeliveryBody = {
  id: 'd1',
  rule: 'failed',
  target: { id: 'hook', arn: 'https://a.example/x' },
  event_id: 'e1',
  state: 'given_up',
  attempts: 9,
  reason: 'it answered 500',
  created_at: at,
  next_at: null,
  given_up_at: at,
};
const failing: DeliveryBody = { ...lost, id: 'd2', state: 'failing', attempts: 2, next_at: at, given_up_at: null };

const run = (argv: readonly string[], deliveries: readonly DeliveryBody[] = [failing, lost], rules = [failed, setAside]) =>
  runAgainst(
    ({ url = '' }, response) => response.end(JSON.stringify({ items: url.includes('/deliveries') ? deliveries : rules, next: null })),
    ['rules', ...argv],
  );

test('lists rules with their targets and undelivered events', async () => {
  const { code, stdout } = await run(['list']);
  assert.equal(code, 0);
  assert.equal(
    stdout,
    'RULE    STATE      FAILING  GIVEN UP  TARGET                    PATTERN              FAULT\n' +
      'failed  enabled          2         1  hook https://a.example/x  { "source": ["a"] }\n' +
      '                                      log arn:aws:logs:log\n' +
      'old     set-aside                                               { "source": ["a"] }  it has no fields\n',
  );
  assert.match((await run(['list'], [], [])).stdout, /^there are no rules: create one with `penstock rules set`/);
});

test('lists undelivered events with the reason and the time of the next attempt', async () => {
  const { stdout } = await run(['deliveries', 'failed', '-n', '7']);
  assert.equal(
    stdout,
    'SINCE (UTC)          RULE    TARGET                    STATE     TRIES  NEXT (UTC)           REASON\n' +
      '2026-11-27 05:00:00  failed  hook https://a.example/x  failing       2  2026-11-27 05:00:00  it answered 500\n' +
      '2026-11-27 05:00:00  failed  hook https://a.example/x  given up      9                       it answered 500\n',
  );
  assert.equal((await run(['deliveries'], [])).stdout, 'all events were delivered\n');
  assert.equal((await run(['deliveries', 'old'], [])).stdout, 'all events of old were delivered\n');
  const typo = await run(['deliveries', 'odl'], []);
  assert.deepEqual([typo.code, typo.stderr], [1, "penstock: there is no rule 'odl': see `penstock rules list`\n"]);
});

const directory = mkdtempSync(join(tmpdir(), 'penstock-rules-'));
after(() => rmSync(directory, { recursive: true }));
const envelope = {
  id: '1',
  account: '0',
  source: 'aws.sagemaker',
  time: '',
  region: '',
  resources: [],
  'detail-type': 't',
  detail: { n: 1 },
};

for (const { when, pattern = '{"detail": {"n": [1]}}', event = JSON.stringify(envelope), code, says } of [
  { when: 'an event that matches', code: 0, says: /^the event matches\n$/ },
  { when: 'an event that does not match', pattern: '{"detail": {"n": [2]}}', code: 1, says: /^the event does not match\n$/ },
  { when: 'an invalid pattern', pattern: '{"detail": 1}', code: 2, says: /detail: expected a list of values, or an object/ },
  { when: 'an invalid event', event: '{"kind": "x"}', code: 2, says: /the event has no id: expected an event as targets receive it/ },
  { when: 'a file that is not JSON', event: '{', code: 2, says: /cannot read the event: .*JSON/ },
]) {
  test(`tests a pattern without a server: ${when}`, async () => {
    const file = join(directory, 'event.json');
    writeFileSync(file, event);
    const ran = await runVerb(['rules', 'test', '--pattern', pattern, '--event', file], {});
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stdout + ran.stderr, says);
  });
}

async function changed(...argv: string[]) {
  const sent: unknown[] = [];
  const answer: RequestListener = (request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      sent.push([request.method, request.url, body === '' ? null : JSON.parse(body)]);
      response.writeHead(request.method === 'DELETE' ? 204 : 200).end(request.method === 'DELETE' ? '' : JSON.stringify(failed));
    });
  };
  return { ...(await runAgainst(answer, ['rules', ...argv])), sent };
}

test('sets a rule with its targets, and changes only what is given', async () => {
  const pattern = '{"source": ["a"]}';
  const made = await changed('set', 'failed', '--pattern', pattern, '--to', 'https://a.example/x', '--to', 'https://b.example/');
  assert.equal(made.stdout, 'failed is enabled: sends to https://a.example/x, arn:aws:logs:log\n');
  assert.deepEqual(made.sent, [['PUT', '/api/v1/rules/failed', { pattern, targets: ['https://a.example/x', 'https://b.example/'] }]]);
  assert.deepEqual((await changed('set', 'failed', '--enabled', 'no')).sent, [['PUT', '/api/v1/rules/failed', { enabled: false }]]);
  assert.deepEqual((await changed('set', 'failed', '--to', 'none')).sent, [['PUT', '/api/v1/rules/failed', { targets: [] }]]);
});

test('deletes a rule by its name', async () => {
  const { stdout, sent } = await changed('delete', 'failed');
  assert.equal(stdout, 'failed was deleted\n');
  assert.deepEqual(sent, [['DELETE', '/api/v1/rules/failed', null]]);
});
