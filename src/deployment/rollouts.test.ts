import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type House, openHouse, prod, refusal, serverless, settle, until, variant } from '../../test/deployment-house.ts';
import type { AlarmState } from '../monitoring/index.ts';
import type { CountedBefore } from './earlier-counts.ts';
import type { EndpointChange } from './endpoint-config.ts';
import type { Guard } from './rollout.ts';
import type { UpdateDetail } from './update-events.ts';
import type { VersionCounts } from './version-counts.ts';

const watched: Guard = { steps: [{ share: 1, bakeMs: 60_000 }], alarms: ['errors'], timeoutMs: null };
const canary: Guard = { ...watched, steps: [{ share: 0.1, bakeMs: 60_000 }, ...watched.steps] };
const toTwo = { variants: [{ ...variant, version: 2 }] };

/** With `prod` in service by digits/1, and an alarm `errors` that is as the test says. */
async function serving() {
  const house = await openHouse();
  const alarm = { state: 'OK' as AlarmState };
  follow(house, alarm);
  await house.deployments.create(prod, 'me');
  await house.deployments.waitFor('prod', 1000);
  house.serving.notes.length = 0;
  return { ...house, house, alarm };
}

function follow(house: House, alarm: { readonly state: AlarmState }, before?: CountedBefore): void {
  house.deployments.rollouts.follow({ get: (name) => (name === 'errors' ? ({ ...alarm } as never) : null) }, before);
}

/** Time goes by, and what falls due in it is done. */
async function wait({ clock }: House, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 1000) {
    clock.advance(Math.min(left, 1000));
    await settle();
  }
}

function weights({ serving: { served } }: House): (readonly [string, number])[] {
  return (served.get('prod')?.variants ?? []).map(({ config, version }) => [version.name, Number(config.weight.toFixed(3))]);
}

const kinds = async ({ events }: House) => (await events.since(0, 100)).map(({ kind }) => kind);

/** The settings that each update took along when it was taken back. */
const wentBack = async ({ events }: House) =>
  (await events.recent({ kinds: ['endpoint.update-taken-back'], limit: 9 })).map(({ detail }) => (detail as UpdateDetail).settings);

describe('an update that is watched', () => {
  test('keeps the old workers until the end, and is Updating until then', async () => {
    const { house, deployments, provider } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await wait(house, 30_000);
    const view = deployments.get('prod');
    assert.deepEqual([view.status, view.generation, view.servedGeneration], ['Updating', 2, 1]);
    assert.match(view.reason ?? '', /^100 % of the requests go to the new workers, which are watched for 60 s/);
    assert.deepEqual(provider.ids(), ['prod.alltraffic.1.0', 'prod.alltraffic.2.0']);
    assert.deepEqual(weights(house), [['digits/2', 1]]);
    await wait(house, 35_000);
    assert.deepEqual([deployments.get('prod').status, deployments.get('prod').servedGeneration], ['InService', 2]);
    assert.deepEqual([provider.ids(), deployments.get('prod').rollout], [['prod.alltraffic.2.0'], null]);
    assert((await kinds(house)).includes('endpoint.update-kept'));
  });

  test('is taken back at one stroke where its alarm rings: with an event, a record, and the reason until the next one', async () => {
    const { house, alarm, deployments, provider, audit } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await wait(house, 10_000);
    alarm.state = 'ALARM';
    await wait(house, 2000);
    const view = deployments.get('prod');
    assert.deepEqual([view.status, view.generation, view.config.variants[0]?.version], ['InService', 3, 1]);
    assert.match(view.reason ?? '', /^the update was taken back: alarm errors is in ALARM/);
    assert.deepEqual(
      view.versions.takenBack.map(({ model }) => model),
      ['digits/2'],
    );
    assert.deepEqual([provider.ids(), weights(house)], [['prod.alltraffic.1.0'], [['digits/1', 1]]]);
    assert((await kinds(house)).includes('endpoint.update-taken-back'));
    const [record] = await audit.list({ action: 'RollBackEndpoint', limit: 5 });
    assert.deepEqual([record?.who, record?.target], ['penstock', 'prod']);
    alarm.state = 'OK';
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    assert.equal(deployments.get('prod').reason, null);
  });

  for (const [what, change] of [
    ['settings alone', { late: 'shed', timeoutMs: 30_000 }],
    ['a version and settings', { ...toTwo, late: 'shed', timeoutMs: 30_000 }],
  ] as const) {
    test(`of ${what} says, where it is taken back, which settings went back with it, from what to what`, async () => {
      const { house, alarm, deployments } = await serving();
      await deployments.update('prod', change, 'me', undefined, watched);
      await wait(house, 10_000);
      alarm.state = 'ALARM';
      await wait(house, 2000);
      assert.equal(deployments.get('prod').config.late, 'serve');
      assert.deepEqual(await wentBack(house), [
        [
          { setting: 'late', from: 'shed', to: 'serve' },
          { setting: 'timeout_ms', from: 30_000, to: 60_000 },
        ],
      ]);
    });
  }

  test('that brings no other settings tells of none where it is taken back', async () => {
    const { house, alarm, deployments } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await wait(house, 10_000);
    alarm.state = 'ALARM';
    await wait(house, 2000);
    assert.deepEqual(await wentBack(house), [undefined]);
  });

  test('takes the requests over step by step', async () => {
    const {
      house,
      deployments,
      serving: { notes },
    } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, canary);
    await wait(house, 30_000);
    assert.deepEqual(weights(house), [
      ['digits/2', 0.1],
      ['digits/1', 0.9],
    ]);
    await wait(house, 40_000);
    assert.deepEqual(weights(house), [['digits/2', 1]]);
    assert.equal(deployments.get('prod').status, 'Updating');
    const step = (await house.events.recent({ kinds: ['endpoint.step-watched'], limit: 1 }))[0]?.detail as UpdateDetail;
    assert.deepEqual([step.share, step.versions?.map(({ model }) => model)], [0.1, ['digits/2', 'digits/1']], 'with what it was judged by');
    await wait(house, 65_000);
    assert.equal(deployments.get('prod').status, 'InService');
    assert.deepEqual(
      notes.filter((note) => note.startsWith('serve')),
      ['serve prod digits/2,digits/1', 'serve prod digits/2'],
    );
  });

  test('is taken back where its workers fail, and where it is not over in time', async () => {
    const { house, deployments, provider } = await serving();
    provider.isPrompt = false;
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await settle();
    provider.crash('prod.alltraffic.2.0', { state: 'failed', reason: 'exit code 134' });
    await wait(house, 2000);
    assert.match(deployments.get('prod').reason ?? '', /taken back: the update failed.* exit code 134/);
    assert.deepEqual([provider.ids(), deployments.get('prod').generation], [['prod.alltraffic.1.0'], 3]);
    await deployments.update('prod', toTwo, 'me', undefined, { ...watched, timeoutMs: 90_000 });
    await wait(house, 91_000);
    assert.match(deployments.get('prod').reason ?? '', /taken back: it was not over within 90 s/);
  });

  test('goes on after a restart where it was, and is still taken back', async () => {
    const first = await serving();
    await first.deployments.update('prod', toTwo, 'me', undefined, canary);
    await wait(first.house, 40_000);
    const house = await first.house.restart();
    follow(house, first.alarm);
    house.deployments.rollouts.follow({ get: () => ({ ...first.alarm }) as never });
    await wait(house, 2000);
    assert.deepEqual(house.provider.ids().length, 2);
    assert.deepEqual(weights(house), [
      ['digits/2', 0.1],
      ['digits/1', 0.9],
    ]);
    await wait(house, 63_000);
    assert.deepEqual(weights(house), [['digits/2', 1]]);
    first.alarm.state = 'ALARM';
    await wait(house, 2000);
    assert.deepEqual([weights(house), house.provider.ids().length], [[['digits/1', 1]], 1]);
  });

  test('of functions goes over at one stroke, keeps those of before, and is taken back as well', async () => {
    const { house, alarm, deployments, serving: served } = await serving();
    await deployments.update('prod', { variants: [serverless] }, 'me');
    await deployments.waitFor('prod', 1000);
    const toFunctions = { variants: [{ ...serverless, version: 2 }] };
    await assert.rejects(deployments.update('prod', toFunctions, 'me', undefined, canary), refusal('invalid_request', /has functions/));
    await deployments.update('prod', toFunctions, 'me', undefined, watched);
    const version = await house.registry.version('digits', 1);
    const id = deployments.startFunction({ endpoint: 'prod', variant: 'AllTraffic', version, memoryMiB: 2048 });
    await wait(house, 5000);
    assert(served.attached.has(id), 'one of before is not sent away while the new is watched');
    alarm.state = 'ALARM';
    await wait(house, 2000);
    assert.deepEqual([weights(house), served.attached.has(id)], [[['digits/1', 1]], true]);
  });

  test('is over with the next one, and with an unload', async () => {
    const { house, deployments, provider } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, canary);
    await wait(house, 10_000);
    await deployments.update('prod', { late: 'shed' }, 'me');
    await settle();
    assert.deepEqual(
      [deployments.get('prod').status, weights(house), provider.ids()],
      ['InService', [['digits/2', 1]], ['prod.alltraffic.2.0']],
    );
    const told = (await kinds(house)).filter((kind) => /update-|traffic|step/.test(kind));
    assert.deepEqual(told, ['endpoint.update-begun', 'endpoint.traffic-shifted', 'endpoint.update-superseded']);
    const superseded = (await house.events.recent({ kinds: ['endpoint.update-superseded'], limit: 1 }))[0]?.detail as UpdateDetail;
    assert.deepEqual([superseded.generation, superseded.share, superseded.to], [2, 0.1, ['digits/2']]);
    assert.equal(superseded.reason, 'superseded by generation 3 (digits/2)');
    await deployments.update('prod', { variants: [variant] }, 'me', undefined, canary);
    await wait(house, 10_000);
    await deployments.unload('prod', 'me');
    await until(house, 'prod', ({ status }) => status === 'Unloaded');
    assert.deepEqual([provider.ids(), deployments.get('prod').rollout], [[], null]);
  });

  test('is taken back by its own requests alone, when half a minute shows it, and with the figures, which its event has too', async () => {
    const { house, deployments, serving: served, events } = await serving();
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
    await wait(house, 10_000);
    counts({ answered: 100, late: 4 }, { answered: 1900, late: 9 });
    await wait(house, 5000);
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
      await wait(house, 1000);
    }
    const { status, reason, config } = deployments.get('prod');
    assert.deepEqual([status, config.variants[0]?.version], ['InService', 1]);
    const said = '38 % of the 390 requests of digits/2 were later than 50 ms (5 % may be); digits/1: 0.3 %';
    assert.equal(reason, `the update was taken back: ${said}`);
    const event = (await events.since(0, 100)).find(({ kind }) => kind === 'endpoint.update-taken-back');
    const { from, to, reason: told } = (event?.detail ?? {}) as Record<string, unknown>;
    assert.deepEqual([from, to, told], [['digits/2'], ['digits/1'], said]);
  });

  test('is judged by each step anew, and then against what the old version did before', async () => {
    const { house, deployments, serving: served } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, { ...canary, alarms: [] });
    await wait(house, 10_000);
    const good = { answered: 5000, late: 0, failed: 0, refused: 0, overloaded: 0 };
    served.counts = ['digits/1', 'digits/2'].map((model) => ({ model, counts: good }));
    await wait(house, 55_000);
    assert.deepEqual(weights(house), [['digits/2', 1]]);
    await wait(house, 3000);
    served.counts = [
      { model: 'digits/1', counts: good },
      { model: 'digits/2', counts: { ...good, refused: 50 } },
    ];
    await wait(house, 2000);
    assert.match(deployments.get('prod').reason ?? '', /100 % of the 50 requests of digits\/2 were refused as wrong .* digits\/1: 0 %/);
  });

  /** A watched update of its settings alone, of an endpoint of which 3 % failed before; so many of 1000 fail while it is watched. */
  async function withFailures(failed: number, before: VersionCounts) {
    const { house, alarm, deployments, serving: served } = await serving();
    follow(house, alarm, async () => before);
    await deployments.update('prod', { late: 'shed' }, 'me', undefined, { ...watched, alarms: [] });
    await wait(house, 5000);
    served.counts = [{ model: 'digits/1', counts: { answered: 1000 - failed, late: 0, failed, refused: 300, overloaded: 0 } }];
    await wait(house, 5000);
    return deployments.get('prod').reason ?? '';
  }
  const usual = { answered: 9700, late: 0, failed: 300, refused: 0, overloaded: 0 };

  test('of its settings alone is judged beside what the endpoint did before: what fails as it always did speaks against nothing', async () => {
    assert.match(await withFailures(30, usual), /^100 % of the requests go to the new workers/);
    const said = /taken back: 20 % of the 1300 requests of digits\/1 failed \(1 % may be\); before the update: 3 %$/;
    assert.match(await withFailures(260, usual), said);
  });

  test('of which nothing shows what is usual may fail as often as its objective lets be late', async () => {
    const nothing = { answered: 0, late: 0, failed: 0, refused: 0, overloaded: 0 };
    assert.match(await withFailures(60, nothing), /^100 % of the requests go to the new workers/);
    assert.match(await withFailures(260, nothing), /taken back: 20 % of the 1300 requests of digits\/1 failed \(5 % may be\)$/);
  });

  const allShed = { answered: 0, late: 0, failed: 0, refused: 400, overloaded: 400 };

  /** A canary to digits/2 with such settings too, where nothing failed before it; of both versions this is what comes in its first step. */
  async function bothDo(counts: VersionCounts, settings: EndpointChange, before: VersionCounts = { ...usual, failed: 0 }) {
    const { house, alarm, deployments, serving: served } = await serving();
    follow(house, alarm, async () => before);
    const models = ['digits/1', 'digits/2'];
    served.counts = models.map((model) => ({ model, counts: { answered: 5000, late: 0, failed: 0, refused: 0, overloaded: 0 } }));
    await deployments.update('prod', { ...toTwo, ...settings }, 'me', undefined, { ...canary, alarms: [] });
    await wait(house, 5000);
    served.counts = models.map((model) => ({ model, counts: { ...counts, answered: 5000 } }));
    await wait(house, 5000);
    return deployments.get('prod').reason ?? '';
  }

  test('with settings that both versions get is judged beside the past too: what is bad for both may be their doing', async () => {
    const said = /taken back: 100 % of the 800 requests of digits\/2 and digits\/1 were refused as overloaded .*; before the update: 0 %$/;
    assert.match(await bothDo(allShed, { late: 'shed' }), said);
  });

  for (const [what, counts, settings, before] of [
    ['traffic that is bad for both, where no setting changes', allShed, {}, undefined],
    ['what always failed so, whatever settings change', allShed, { late: 'shed' }, { ...allShed, refused: 9000, overloaded: 9000 }],
    ['callers who send nonsense to both, whatever settings change', { ...allShed, overloaded: 0 }, { late: 'shed' }, undefined],
  ] as const) {
    test(`is kept through ${what}`, async () => {
      assert.match(await bothDo(counts, settings, before), /^10 % of the requests go to the new workers/);
    });
  }

  test('is watched for the whole time of its step by a server that runs: while none did, nobody watched', async () => {
    const first = await serving();
    await first.deployments.update('prod', toTwo, 'me', undefined, canary);
    await wait(first.house, 10_000);
    const house = await first.house.restart();
    house.clock.advance(3_600_000);
    follow(house, first.alarm);
    await wait(house, 50_000);
    assert.deepEqual(house.deployments.get('prod').rollout?.step, 0);
    await wait(house, 15_000);
    assert.deepEqual(house.deployments.get('prod').rollout?.step, 1);
  });

  test('is judged beside what the endpoint did before, where a restart in its last step forgot how the old version did', async () => {
    const first = await serving();
    await first.deployments.update('prod', toTwo, 'me', undefined, { ...canary, alarms: [] });
    await wait(first.house, 70_000);
    const house = await first.house.restart();
    follow(house, first.alarm, async () => usual);
    await wait(house, 5000);
    house.serving.counts = [{ model: 'digits/2', counts: { answered: 970, late: 0, failed: 30, refused: 0, overloaded: 0 } }];
    await wait(house, 5000);
    assert.equal(house.deployments.get('prod').status, 'Updating');
    house.serving.counts = [{ model: 'digits/2', counts: { answered: 970, late: 0, failed: 30, refused: 500, overloaded: 0 } }];
    await wait(house, 5000);
    assert.match(house.deployments.get('prod').reason ?? '', /digits\/2 were refused as wrong .*; before the update: 0 %$/);
  });

  test('that nobody called is kept, and its event says so', async () => {
    const { house, deployments, events } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await wait(house, 65_000);
    const event = (await events.since(0, 100)).find(({ kind }) => kind === 'endpoint.update-kept');
    assert.equal(((event?.detail ?? {}) as { sawRequests?: boolean }).sawRequests, false);
  });

  test('keeps the version that it may go back to from being deleted', async () => {
    const { house, deployments, registry } = await serving();
    await deployments.update('prod', toTwo, 'me', undefined, watched);
    await wait(house, 5000);
    await assert.rejects(registry.deleteVersion('digits', 1, 'me'), /prod/);
  });

  for (const [what, guard, code, message] of [
    ['an alarm that is not there', { ...watched, alarms: ['no'] }, 'invalid_request', /there is no alarm 'no'/],
    [
      'steps that fall',
      {
        ...watched,
        steps: [
          { share: 0.5, bakeMs: 0 },
          { share: 0.4, bakeMs: 0 },
        ],
      },
      'invalid_request',
      /takes more of the requests/,
    ],
    ['steps that end before all', { ...watched, steps: [{ share: 0.5, bakeMs: 0 }] }, 'invalid_request', /last step .* 100 %/],
    ['less time than its steps take', { ...watched, timeoutMs: 60_000 }, 'invalid_request', /timeout of a rollout must be more/],
  ] as const) {
    test(`with ${what} is refused`, async () => {
      const { deployments } = await serving();
      await assert.rejects(deployments.update('prod', toTwo, 'me', undefined, guard), refusal(code, message));
    });
  }

  test('is refused while its alarm rings', async () => {
    const { deployments, alarm } = await serving();
    alarm.state = 'ALARM';
    await assert.rejects(deployments.update('prod', toTwo, 'me', undefined, watched), refusal('wrong_state', /rings already/));
  });
});
