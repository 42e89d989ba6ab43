/** `penstock rules`, against a server that answers what it is told to. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runAgainst, runVerb } from '../../test/cli-house.ts';
import type { DeliveryBody, RuleBody } from '../api/index.ts';

const at = '2026-11-27T05:00:00.123Z';
const failed: RuleBody = {
  name: 'failed',
  description: '',
  pattern: '{\n  "source": ["a"]\n}',
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
const aside: RuleBody = {
  ...failed,
  name: 'old',
  state: 'set-aside',
  fault: 'it names no field',
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

const run = (argv: readonly string[], deliveries: readonly DeliveryBody[] = [failing, lost], rules = [failed, aside]) =>
  runAgainst(
    ({ url = '' }, response) => response.end(JSON.stringify({ items: url.includes('/deliveries') ? deliveries : rules, next: null })),
    ['rules', ...argv],
  );

test('rules stand with their targets, and with what has not arrived', async () => {
  const { code, stdout } = await run(['list']);
  assert.equal(code, 0);
  assert.equal(
    stdout,
    'RULE    STATE      FAILING  GIVEN UP  TARGET                    PATTERN              FAULT\n' +
      'failed  enabled          2         1  hook https://a.example/x  { "source": ["a"] }\n' +
      '                                      log arn:aws:logs:log\n' +
      'old     set-aside                                               { "source": ["a"] }  it names no field\n',
  );
  assert.match((await run(['list'], [], [])).stdout, /^there are no rules: EventBridge's clients make them/);
});

test('what has not arrived says why, and when it is tried again', async () => {
  const { stdout } = await run(['deliveries', 'failed', '-n', '7']);
  assert.equal(
    stdout,
    'SINCE (UTC)          RULE    TARGET                    STATE     TRIES  NEXT (UTC)           REASON\n' +
      '2026-11-27 05:00:00  failed  hook https://a.example/x  failing       2  2026-11-27 05:00:00  it answered 500\n' +
      '2026-11-27 05:00:00  failed  hook https://a.example/x  given up      9                       it answered 500\n',
  );
  assert.equal((await run(['deliveries'], [])).stdout, 'all has arrived\n');
  assert.equal((await run(['deliveries', 'old'], [])).stdout, 'all of old has arrived\n');
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
  { when: 'an event that matches', code: 0, says: /^it matches\n$/ },
  { when: 'one that does not', pattern: '{"detail": {"n": [2]}}', code: 1, says: /^it does not match\n$/ },
  { when: 'a pattern that is none', pattern: '{"detail": 1}', code: 2, says: /detail: expected a list of values, or an object/ },
  { when: 'an event that is none', event: '{"kind": "x"}', code: 2, says: /the event has no id: expected one as a target gets it/ },
  { when: 'a file that is no JSON', event: '{', code: 2, says: /the event cannot be read: .*JSON/ },
]) {
  test(`a pattern is tried without a server: ${when}`, async () => {
    const file = join(directory, 'event.json');
    writeFileSync(file, event);
    const ran = await runVerb(['rules', 'test', '--pattern', pattern, '--event', file], {});
    assert.equal(ran.code, code, ran.stderr);
    assert.match(ran.stdout + ran.stderr, says);
  });
}
