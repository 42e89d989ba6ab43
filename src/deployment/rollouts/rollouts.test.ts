import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type DeploymentFixture,
  openDeploymentFixture,
  prod,
  refusal,
  serverless,
  settle,
  until,
  variant,
} from '../../../test/deployment-fixture.ts';
import type { AlarmState } from '../../alerts/index.ts';
import type { EndpointChange } from '../config/variant-change.ts';
import type { CountedBefore } from './earlier-counts.ts';
import type { RolloutGuard } from './rollout.ts';
import type { UpdateDetail } from './update-events.ts';
import type { VersionCounts } from './version-counts.ts';

const watched: RolloutGuard = { steps: [{ share: 1, bakeMs: 60_000 }], alarms: ['errors'], timeoutMs: null };
const canary: RolloutGuard = { ...watched, steps: [{ share: 0.1, bakeMs: 60_000 }, ...watched.steps] };
const toTwo = { variants: [{ ...variant, version: 2 }] };

/** `prod` serves digits/1; the test sets the state of the alarm `errors`. */
async function serving() {
  const fixture = await openDeploymentFixture();
  const alarm = { state: 'OK' as AlarmState };
  follow(fixture, alarm);
  await fixture.deployments.create(prod, 'me');
  await fixture.deployments.waitFor('prod', 1000);
  fixture.serving.notes.length = 0;
  return { ...fixture, fixture, alarm };
}

function follow(fixture: DeploymentFixture, alarm: { readonly state: AlarmState }, before?: CountedBefore): void {
  fixture.deployments.rollouts.follow({ get: (name) => (name === 'errors' ? ({ ...alarm } as never) : null) }, before);
}

/** Advances the clock second by second, so that due timers run. */
async function wait({ clock }: DeploymentFixture, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    clock.advance(Math.min(left, 1000));
    await settle();
  }
}

function weights({ serving: { served } }: DeploymentFixture): (readonly [string, number])[] {
  return (served.get('prod')?.variants ?? []).map(({ config, version }) => [version.name, Number(config.weight.toFixed(3))]);
}

const kinds = async ({ events }: DeploymentFixture) => (await events.since(0, 100)).map(({ kind }) => kind);

/** The settings that each rollback of an update restored. */
const wentBack = async ({ events }: DeploymentFixture) =>
  (await events.recent({ kinds: ['endpoint.update-rolled-back'], limit: 9 })).map(({ detail }) => (detail as UpdateDetail).settings);

describe('a monitored update', () => {
  test('keeps the old workers and the status Updating until it completes', async () => {
    const { fixture, deployments, provider } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await wait(fixture, 30_000);
    const view = deployments.get('prod');
    assert.deepEqual([view.status, view.generation, view.servedGeneration], ['Updating', 2, 1]);
    assert.match(view.reason ?? '', /^100 % of the requests go to the new workers, which are monitored for 60 s/);
    assert.deepEqual(provider.ids(), ['prod.alltraffic.1.0', 'prod.alltraffic.2.0']);
    assert.deepEqual(weights(fixture), [['digits/2', 1]]);
    await wait(fixture, 35_000);
    assert.deepEqual([deployments.get('prod').status, deployments.get('prod').servedGeneration], ['InService', 2]);
    assert.deepEqual([provider.ids(), deployments.get('prod').rollout], [['prod.alltraffic.2.0'], null]);
    assert((await kinds(fixture)).includes('endpoint.update-completed'));
  });

  test('is rolled back in one step if its alarm fires, with an event, an audit record, and the reason in the status', async () => {
    const { fixture, alarm, deployments, provider, audit } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await wait(fixture, 10_000);
    alarm.state = 'ALARM';
    await wait(fixture, 2000);
    const view = deployments.get('prod');
    assert.deepEqual([view.status, view.generation, view.config.variants[0]?.version], ['InService', 3, 1]);
    assert.match(view.reason ?? '', /^the update was rolled back: alarm errors is in ALARM/);
    assert.deepEqual(
      view.versions.rolledBack.map(({ model }) => model),
      ['digits/2'],
    );
    assert.deepEqual([provider.ids(), weights(fixture)], [['prod.alltraffic.1.0'], [['digits/1', 1]]]);
    assert((await kinds(fixture)).includes('endpoint.update-rolled-back'));
    const [record] = await audit.list({ action: 'RollBackEndpoint', limit: 5 });
    assert.deepEqual([record?.who, record?.target], ['penstock', 'prod']);
    alarm.state = 'OK';
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    assert.equal(deployments.get('prod').reason, null);
  });

  for (const [what, change] of [
    ['settings only', { late: 'shed', timeoutMs: 30_000 }],
    ['a version and settings', { ...toTwo, late: 'shed', timeoutMs: 30_000 }],
  ] as const) {
    test(`of ${what} reports the restored settings with both values when it is rolled back`, async () => {
      const { fixture, alarm, deployments } = await serving();
      await deployments.update('prod', change, 'me', undefined, watched);
      await wait(fixture, 10_000);
      alarm.state = 'ALARM';
      await wait(fixture, 2000);
      assert.equal(deployments.get('prod').config.late, 'serve');
      assert.deepEqual(await wentBack(fixture), [
        [
          { setting: 'late', from: 'shed', to: 'serve' },
          { setting: 'timeout_ms', from: 30_000, to: 60_000 },
        ],
      ]);
    });
  }

  test('without changed settings reports none when it is rolled back', async () => {
    const { fixture, alarm, deployments } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await wait(fixture, 10_000);
    alarm.state = 'ALARM';
    await wait(fixture, 2000);
    assert.deepEqual(await wentBack(fixture), [undefined]);
  });

  test('shifts traffic step by step', async () => {
    const {
      fixture,
      deployments,
      serving: { notes },
    } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, canary);
    await wait(fixture, 30_000);
    assert.deepEqual(weights(fixture), [
      ['digits/2', 0.1],
      ['digits/1', 0.9],
    ]);
    await wait(fixture, 40_000);
    assert.deepEqual(weights(fixture), [['digits/2', 1]]);
    assert.equal(deployments.get('prod').status, 'Updating');
    const step = (await fixture.events.recent({ kinds: ['endpoint.step-completed'], limit: 1 }))[0]?.detail as UpdateDetail;
    assert.deepEqual(
      [step.share, step.versions?.map(({ model }) => model)],
      [0.1, ['digits/2', 'digits/1']],
      'with the versions it was judged by',
    );
    await wait(fixture, 65_000);
    assert.equal(deployments.get('prod').status, 'InService');
    assert.deepEqual(
      notes.filter((note) => note.startsWith('serve')),
      ['serve prod digits/2,digits/1', 'serve prod digits/2'],
    );
  });

  test('is rolled back if its workers fail, or if it is not complete in time', async () => {
    const { fixture, deployments, provider } = await serving();
    provider.isPrompt = false;
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await settle();
    provider.crash('prod.alltraffic.2.0', { state: 'failed', reason: 'exit code 134' });
    await wait(fixture, 2000);
    assert.match(deployments.get('prod').reason ?? '', /rolled back: the update failed.* exit code 134/);
    assert.deepEqual([provider.ids(), deployments.get('prod').generation], [['prod.alltraffic.1.0'], 3]);
    await deployments.update('prod', toTwo, 'me', undefined, { ...watched, timeoutMs: 90_000 });
    await wait(fixture, 91_000);
    assert.match(deployments.get('prod').reason ?? '', /rolled back: it did not finish within 90 s/);
  });

  test('continues at its step after a restart, and can still be rolled back', async () => {
    const first = await serving();
    await first.deployments.update('prod', toTwo, 'me', undefined, canary);
    await wait(first.fixture, 40_000);
    const fixture = await first.fixture.restart();
    follow(fixture, first.alarm);
    fixture.deployments.rollouts.follow({ get: () => ({ ...first.alarm }) as never });
    await wait(fixture, 2000);
    assert.deepEqual(fixture.provider.ids().length, 2);
    assert.deepEqual(weights(fixture), [
      ['digits/2', 0.1],
      ['digits/1', 0.9],
    ]);
    await wait(fixture, 63_000);
    assert.deepEqual(weights(fixture), [['digits/2', 1]]);
    first.alarm.state = 'ALARM';
    await wait(fixture, 2000);
    assert.deepEqual([weights(fixture), fixture.provider.ids().length], [[['digits/1', 1]], 1]);
  });

  test('of functions shifts all traffic at once, keeps the old functions, and can be rolled back', async () => {
    const { fixture, alarm, deployments, serving: served } = await serving();
    await deployments.update('prod', { variants: [serverless] }, 'me');
    await deployments.waitFor('prod', 1000);
    const toFunctions = { variants: [{ ...serverless, version: 2 }] };
    await assert.rejects(deployments.update('prod', toFunctions, 'me', undefined, canary), refusal('invalid_request', /has functions/));
    await deployments.update('prod', toFunctions, 'me', undefined, watched);
    const version = await fixture.registry.version('digits', 1);
    const id = deployments.startFunction({ endpoint: 'prod', variant: 'AllTraffic', version, memoryMiB: 2048 });
    await wait(fixture, 5000);
    assert(served.attached.has(id), 'an old function stays while the new version is monitored');
    alarm.state = 'ALARM';
    await wait(fixture, 2000);
    assert.deepEqual([weights(fixture), served.attached.has(id)], [[['digits/1', 1]], true]);
  });

  test('is superseded by the next update, and by an unload', async () => {
    const { fixture, deployments, provider } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, canary);
    await wait(fixture, 10_000);
    await deployments.update('prod', { late: 'shed' }, 'me');
    await settle();
    assert.deepEqual(
      [deployments.get('prod').status, weights(fixture), provider.ids()],
      ['InService', [['digits/2', 1]], ['prod.alltraffic.2.0']],
    );
    const reported = (await kinds(fixture)).filter((kind) => /update-|traffic|step/.test(kind));
    assert.deepEqual(reported, ['endpoint.update-started', 'endpoint.traffic-shifted', 'endpoint.update-superseded']);
    const superseded = (await fixture.events.recent({ kinds: ['endpoint.update-superseded'], limit: 1 }))[0]?.detail as UpdateDetail;
    assert.deepEqual([superseded.generation, superseded.share, superseded.to], [2, 0.1, ['digits/2']]);
    assert.equal(superseded.reason, 'superseded by generation 3 (digits/2)');
    await deployments.update('prod', { variants: [variant] }, 'me', undefined, canary);
    await wait(fixture, 10_000);
    await deployments.unload('prod', 'me');
    await until(fixture, 'prod', ({ status }) => status === 'Unloaded');
    assert.deepEqual([provider.ids(), deployments.get('prod').rollout], [[], null]);
  });

  test('is rolled back by its own requests after half a minute of evidence, with the figures in the status and the event', async () => {
    const { fixture, deployments, serving: served, events } = await serving();
    const one = { answered: 1000, late: 2, failed: 0, refused: 0, overloaded: 0 };
    const two = { answered: 0, late: 0, failed: 0, refused: 0, overloaded: 0 };
    const counts = (now: object, before: object) => {
      served.counts = [
        { model: 'digits/1', counts: { ...one, ...before } },
        { model: 'digits/2', counts: { ...two, ...now } },
      ];
    };
    counts({}, {});
    await deployments.update('prod', toTwo, 'me', undefined, { ...canary, alarms: [] });
    await wait(fixture, 10_000);
    counts({ answered: 100, late: 4 }, { answered: 1900, late: 9 });
    await wait(fixture, 5000);
    assert.equal(deployments.get('prod').status, 'Updating');
    assert.deepEqual(
      deployments.get('prod').rolloutVersions.map(({ model, counts: { answered, late } }) => [model, answered, late]),
      [
        ['digits/2', 100, 4],
        ['digits/1', 900, 7],
      ],
    );
    for (let second = 1; second <= 30; second++) {
      counts({ answered: 100 + 10 * second, late: 4 + 5 * second }, { answered: 1900 + 40 * second, late: 9 });
      await wait(fixture, 1000);
    }
    const { status, reason, config } = deployments.get('prod');
    assert.deepEqual([status, config.variants[0]?.version], ['InService', 1]);
    const said = '38 % of the 390 requests of digits/2 were later than 50 ms (5 % allowed); digits/1: 0.3 %';
    assert.equal(reason, `the update was rolled back: ${said}`);
    const event = (await events.since(0, 100)).find(({ kind }) => kind === 'endpoint.update-rolled-back');
    const { from, to, reason: reported } = (event?.detail ?? {}) as Record<string, unknown>;
    assert.deepEqual([from, to, reported], [['digits/2'], ['digits/1'], said]);
  });

  test('is judged by the requests of each step, and in the last step against the old version before it', async () => {
    const { fixture, deployments, serving: served } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, { ...canary, alarms: [] });
    await wait(fixture, 10_000);
    const good = { answered: 5000, late: 0, failed: 0, refused: 0, overloaded: 0 };
    served.counts = ['digits/1', 'digits/2'].map((model) => ({ model, counts: good }));
    await wait(fixture, 55_000);
    assert.deepEqual(weights(fixture), [['digits/2', 1]]);
    await wait(fixture, 3000);
    served.counts = [
      { model: 'digits/1', counts: good },
      { model: 'digits/2', counts: { ...good, refused: 50 } },
    ];
    await wait(fixture, 2000);
    assert.match(deployments.get('prod').reason ?? '', /100 % of the 50 requests of digits\/2 were rejected as invalid .* digits\/1: 0 %/);
  });

  /** A monitored update of settings only, with `before` as baseline; `failed` of 1000 valid requests fail while it is monitored. */
  async function withFailures(failed: number, before: VersionCounts) {
    const { fixture, alarm, deployments, serving: served } = await serving();
    follow(fixture, alarm, async () => before);
    await deployments.update('prod', { late: 'shed' }, 'me', undefined, { ...watched, alarms: [] });
    await wait(fixture, 5000);
    served.counts = [{ model: 'digits/1', counts: { answered: 1000 - failed, late: 0, failed, refused: 300, overloaded: 0 } }];
    await wait(fixture, 5000);
    return deployments.get('prod').reason ?? '';
  }
  const usual = { answered: 9700, late: 0, failed: 300, refused: 0, overloaded: 0 };

  test('of settings only is judged against the counts before it: an unchanged failure rate is not evidence', async () => {
    assert.match(await withFailures(30, usual), /^100 % of the requests go to the new workers/);
    const said = /rolled back: 20 % of the 1300 requests of digits\/1 failed \(1 % allowed\); before the update: 3 %$/;
    assert.match(await withFailures(260, usual), said);
  });

  test('without a baseline may fail as often as the objective allows late requests', async () => {
    const nothing = { answered: 0, late: 0, failed: 0, refused: 0, overloaded: 0 };
    assert.match(await withFailures(60, nothing), /^100 % of the requests go to the new workers/);
    assert.match(await withFailures(260, nothing), /rolled back: 20 % of the 1300 requests of digits\/1 failed \(5 % allowed\)$/);
  });

  const allShed = { answered: 0, late: 0, failed: 0, refused: 400, overloaded: 400 };

  /** A canary to digits/2 that also changes `settings`; both versions have these `counts` in its first step. */
  async function bothDo(counts: VersionCounts, settings: EndpointChange, before: VersionCounts = { ...usual, failed: 0 }) {
    const { fixture, alarm, deployments, serving: served } = await serving();
    follow(fixture, alarm, async () => before);
    const models = ['digits/1', 'digits/2'];
    served.counts = models.map((model) => ({ model, counts: { answered: 5000, late: 0, failed: 0, refused: 0, overloaded: 0 } }));
    await deployments.update('prod', { ...toTwo, ...settings }, 'me', undefined, { ...canary, alarms: [] });
    await wait(fixture, 5000);
    served.counts = models.map((model) => ({ model, counts: { ...counts, answered: 5000 } }));
    await wait(fixture, 5000);
    return deployments.get('prod').reason ?? '';
  }

  test('with settings that apply to both versions is also judged against the counts before it', async () => {
    const said = /rolled back: 100 % of the 800 requests of digits\/2 and digits\/1 were rejected for overload .*; before the update: 0 %$/;
    assert.match(await bothDo(allShed, { late: 'shed' }), said);
  });

  for (const [what, counts, settings, before] of [
    ['traffic that is bad for both versions, without changed settings', allShed, {}, undefined],
    [
      'a failure rate as before the update, with changed settings',
      allShed,
      { late: 'shed' },
      { ...allShed, refused: 9000, overloaded: 9000 },
    ],
    ['invalid requests to both versions, with changed settings', { ...allShed, overloaded: 0 }, { late: 'shed' }, undefined],
  ] as const) {
    test(`is not rolled back by ${what}`, async () => {
      assert.match(await bothDo(counts, settings, before), /^10 % of the requests go to the new workers/);
    });
  }

  test('is monitored for the full time of its step by a running server: downtime does not count', async () => {
    const first = await serving();
    await first.deployments.update('prod', toTwo, 'me', undefined, canary);
    await wait(first.fixture, 10_000);
    const fixture = await first.fixture.restart();
    fixture.clock.advance(3_600_000);
    follow(fixture, first.alarm);
    await wait(fixture, 50_000);
    assert.deepEqual(fixture.deployments.get('prod').rollout?.step, 0);
    await wait(fixture, 15_000);
    assert.deepEqual(fixture.deployments.get('prod').rollout?.step, 1);
  });

  test('is judged against the counts before it if a restart in its last step lost those of the old version', async () => {
    const first = await serving();
    await first.deployments.update('prod', toTwo, 'me', undefined, { ...canary, alarms: [] });
    await wait(first.fixture, 70_000);
    const fixture = await first.fixture.restart();
    follow(fixture, first.alarm, async () => usual);
    await wait(fixture, 5000);
    fixture.serving.counts = [{ model: 'digits/2', counts: { answered: 970, late: 0, failed: 30, refused: 0, overloaded: 0 } }];
    await wait(fixture, 5000);
    assert.equal(fixture.deployments.get('prod').status, 'Updating');
    fixture.serving.counts = [{ model: 'digits/2', counts: { answered: 970, late: 0, failed: 30, refused: 500, overloaded: 0 } }];
    await wait(fixture, 5000);
    assert.match(fixture.deployments.get('prod').reason ?? '', /digits\/2 were rejected as invalid .*; before the update: 0 %$/);
  });

  test('that received no requests completes, and its event says so', async () => {
    const { fixture, deployments, events } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await wait(fixture, 65_000);
    const event = (await events.since(0, 100)).find(({ kind }) => kind === 'endpoint.update-completed');
    assert.equal(((event?.detail ?? {}) as { sawRequests?: boolean }).sawRequests, false);
  });

  test('prevents the deletion of the version that a rollback would restore', async () => {
    const { fixture, deployments, registry } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await wait(fixture, 5000);
    await assert.rejects(registry.deleteVersion('digits', 1, 'me'), /prod/);
  });

  for (const [what, guard, code, message] of [
    ['an unknown alarm', { ...watched, alarms: ['no'] }, 'invalid_request', /alarm 'no' does not exist/],
    [
      'decreasing steps',
      {
        ...watched,
        steps: [
          { share: 0.5, bakeMs: 0 },
          { share: 0.4, bakeMs: 0 },
        ],
      },
      'invalid_request',
      /take a larger share of the requests/,
    ],
    ['a last step below 100 %', { ...watched, steps: [{ share: 0.5, bakeMs: 0 }] }, 'invalid_request', /last step .* 100 %/],
    [
      'a timeout shorter than its steps',
      { ...watched, timeoutMs: 60_000 },
      'invalid_request',
      /expected a timeout longer than all its steps/,
    ],
  ] as const) {
    test(`with ${what} is rejected`, async () => {
      const { deployments } = await serving();
      await assert.rejects(deployments.update('prod', toTwo, 'me', undefined, guard), refusal(code, message));
    });
  }

  test('is rejected while its alarm is firing', async () => {
    const { deployments, alarm } = await serving();
    alarm.state = 'ALARM';
    await assert.rejects(deployments.update('prod', toTwo, 'me', undefined, watched), refusal('wrong_state', /already in ALARM/));
  });
});
