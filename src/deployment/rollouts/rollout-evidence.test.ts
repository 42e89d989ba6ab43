/** A watched update needs evidence: too few answers of the new version extend its step, then pause it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DeploymentFixture, openDeploymentFixture, prod, refusal, settle, variant } from '../../../test/deployment-fixture.ts';
import type { RolloutGuard } from './rollout.ts';
import { type EvidenceRule, evidenceVerdict } from './rollout-evidence.ts';
import type { UpdateDetail } from './update-events.ts';
import { type VersionCounts, zeroCounts } from './version-counts.ts';

const evidence: EvidenceRule = { answersMin: 30, watchMaxMs: null, ifTooFew: 'pause' };
const canary: RolloutGuard = {
  steps: [
    { share: 0.2, bakeMs: 60_000 },
    { share: 1, bakeMs: 60_000 },
  ],
  alarms: [],
  timeoutMs: null,
  evidence,
};
const toTwo = { variants: [{ ...variant, version: 2 }] };

async function updating(guard: RolloutGuard = canary) {
  const fixture = await openDeploymentFixture();
  fixture.deployments.rollouts.follow({ get: () => null });
  await fixture.deployments.create(prod, 'me');
  await fixture.deployments.waitFor('prod', 1000);
  await fixture.deployments.update('prod', toTwo, 'me', undefined, guard);
  await wait(fixture, 5000);
  return fixture;
}

async function wait({ clock }: DeploymentFixture, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    clock.advance(Math.min(left, 1000));
    await settle();
  }
}

/** Sets what the new version has received so far. */
function receive({ serving }: DeploymentFixture, counts: Partial<VersionCounts>): void {
  serving.counts = [
    { model: 'digits/1', counts: { ...zeroCounts, answered: 900 } },
    { model: 'digits/2', counts: { ...zeroCounts, ...counts } },
  ];
}

const stateOf = ({ deployments }: DeploymentFixture) => {
  const { rollout, status } = deployments.get('prod');
  return rollout === null ? status : `step ${rollout.step}, ${rollout.hold ?? 'watched'}`;
};

/** What happened in the update, each with its reason. */
const history = async ({ events }: DeploymentFixture) =>
  (await events.since(0, 200)).flatMap(({ kind, detail }) => {
    const what = /^endpoint\.((?:step|update)-(?:extended|paused|completed))$/.exec(kind)?.[1];
    return what === undefined ? [] : [`${what}: ${(detail as UpdateDetail).reason ?? 'judged'}`];
  });

describe('a watched update that needs evidence', () => {
  test('is not kept on two requests of which one was refused: its step is extended, then the update pauses', async () => {
    const fixture = await updating();
    receive(fixture, { answered: 1, refused: 1 });
    await wait(fixture, 60_000);
    assert.equal(stateOf(fixture), 'step 0, extended');
    assert.match(fixture.deployments.get('prod').reason ?? '', /had fewer than 30 answers in 60 s: monitored for up to 240 s$/);
    await wait(fixture, 185_000);
    assert.equal(stateOf(fixture), 'step 0, paused');
    const { status, reason } = fixture.deployments.get('prod');
    assert.equal(status, 'Updating');
    assert.match(
      reason ?? '',
      /^20 % of the requests .* too few to judge: the update is paused .*`penstock continue prod`.*`penstock rollback prod`/,
    );
    await wait(fixture, 3_600_000);
    assert.equal(stateOf(fixture), 'step 0, paused');
    const [extended, paused, ...more] = await history(fixture);
    assert.match(extended ?? '', /^step-extended: too few to judge: 1 of 30 answers in 6\d s$/);
    assert.match(paused ?? '', /^update-paused: too few to judge: 1 of 30 answers in 24\d s$/);
    assert.deepEqual(more, []);
  });

  test('goes on as soon as an extended or a paused step has enough answers', async () => {
    const fixture = await updating();
    receive(fixture, { answered: 12 });
    await wait(fixture, 70_000);
    receive(fixture, { answered: 30 });
    await wait(fixture, 3000);
    assert.equal(stateOf(fixture), 'step 1, watched');
    receive(fixture, { answered: 45 });
    await wait(fixture, 300_000);
    assert.equal(stateOf(fixture), 'step 1, paused', 'each step needs its own answers');
    receive(fixture, { answered: 60 });
    await wait(fixture, 3000);
    assert.equal(stateOf(fixture), 'InService');
    assert.equal(fixture.deployments.get('prod').config.variants[0]?.version, 2);
  });

  test('is rolled back while it is paused if its few requests are clear evidence', async () => {
    const fixture = await updating();
    receive(fixture, { answered: 1 });
    await wait(fixture, 260_000);
    receive(fixture, { answered: 1, failed: 20 });
    await wait(fixture, 3000);
    assert.match(fixture.deployments.get('prod').reason ?? '', /rolled back: 95 % of the 21 requests of digits\/2 failed/);
    assert.equal(fixture.deployments.get('prod').rollout?.hold, undefined);
  });

  test('continues at the request of a user, with the audit record and the reason in its history', async () => {
    const fixture = await updating();
    const { deployments, audit } = fixture;
    await assert.rejects(deployments.continueUpdate('prod', 'me'), refusal('wrong_state', /no update of prod is paused/));
    receive(fixture, { answered: 1 });
    await wait(fixture, 260_000);
    await deployments.continueUpdate('prod', 'me');
    await wait(fixture, 2000);
    assert.equal(stateOf(fixture), 'step 1, watched');
    assert.deepEqual(
      (await audit.list({ action: 'ContinueUpdate', limit: 5 })).map(({ who, target }) => [who, target]),
      [['me', 'prod']],
    );
    assert.equal((await history(fixture)).at(-1), 'step-completed: continued manually, with too few answers to judge');
  });

  test('continues without enough answers if asked, and says so', async () => {
    const fixture = await updating({ ...canary, evidence: { ...evidence, watchMaxMs: 90_000, ifTooFew: 'continue' } });
    receive(fixture, { answered: 2 });
    await wait(fixture, 80_000);
    assert.equal(stateOf(fixture), 'step 0, extended');
    await wait(fixture, 15_000);
    assert.equal(stateOf(fixture), 'step 1, watched');
    assert.match((await history(fixture)).at(-1) ?? '', /^step-completed: too few to judge: 2 of 30 answers in 9\d s$/);
  });

  test('goes on without any request, and says that nothing was measured', async () => {
    const fixture = await updating();
    await wait(fixture, 130_000);
    assert.equal(stateOf(fixture), 'InService');
    const nothing = 'no requests: nothing was measured';
    assert.deepEqual(await history(fixture), [`step-completed: ${nothing}`, `update-completed: ${nothing}`]);
  });

  test('stays paused after a restart, although the counts begin again', async () => {
    const first = await updating();
    receive(first, { answered: 2 });
    await wait(first, 260_000);
    const fixture = await first.restart();
    fixture.deployments.rollouts.follow({ get: () => null });
    await wait(fixture, 120_000);
    assert.equal(stateOf(fixture), 'step 0, paused');
    receive(fixture, { answered: 40 });
    await wait(fixture, 3000);
    assert.equal(stateOf(fixture), 'step 1, watched');
  });

  test('is rolled back by its timeout also while it is paused in its last step', async () => {
    const fixture = await updating({ ...canary, steps: [{ share: 1, bakeMs: 60_000 }], timeoutMs: 600_000 });
    receive(fixture, { answered: 2 });
    await wait(fixture, 601_000);
    assert.match(fixture.deployments.get('prod').reason ?? '', /rolled back: it did not finish within 600 s/);
  });

  test('needs no minimum without a rule: as over the AWS API, time and alarms decide, so that waiters end', async () => {
    const { evidence: _rule, ...byTime } = canary;
    const fixture = await updating(byTime);
    receive(fixture, { answered: 1, refused: 1 });
    await wait(fixture, 130_000);
    assert.equal(stateOf(fixture), 'InService');
  });

  for (const [what, rule, message] of [
    ['half an answer', { ...evidence, answersMin: 0.5 }, /expected min_requests to be a whole number from 0 to 1000000, got 0.5/],
    ['a longest time below its step', { ...evidence, watchMaxMs: 30_000 }, /expected watch_max_s to be from 60, .* got 30/],
  ] as const) {
    test(`with ${what} is rejected`, async () => {
      await assert.rejects(updating({ ...canary, evidence: rule }), refusal('invalid_request', message));
    });
  }
});

const step = { share: 1, bakeMs: 60_000 };
for (const { when, rule = evidence, of = step, hold, watchedMs = 60_000, requests, answers, kind } of [
  { when: 'there are enough answers', requests: 40, answers: 30, kind: 'enough' },
  { when: 'all requests were refused', requests: 40, answers: 0, kind: 'extend' },
  { when: 'no minimum is set', rule: { ...evidence, answersMin: 0 }, requests: 4, answers: 0, kind: 'enough' },
  { when: 'a step is not watched at all', of: { share: 1, bakeMs: 0 }, watchedMs: 0, requests: 1, answers: 1, kind: 'enough' },
  { when: 'an extended step has none left after a restart', hold: 'extended', requests: 0, answers: 0, kind: 'wait' },
  { when: 'the longest time is the step itself', rule: { ...evidence, watchMaxMs: 60_000 }, requests: 2, answers: 2, kind: 'pause' },
] as const) {
  test(`if ${when}: ${kind}`, () => {
    assert.equal(evidenceVerdict({ evidence: rule, hold }, of, { watchedMs, requests, answers }).kind, kind);
  });
}
