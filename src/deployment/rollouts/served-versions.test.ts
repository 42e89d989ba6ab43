import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DeploymentFixture, openDeploymentFixture, prod, refusal, settle, variant } from '../../../test/deployment-fixture.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import { type UpdateDetail, updateKinds } from './update-events.ts';

const to = (version: number) => ({ variants: [{ ...variant, version }] });
const watched = { steps: [{ share: 1, bakeMs: 60_000 }], alarms: [], timeoutMs: null };

async function reported({ events }: DeploymentFixture) {
  const found = await events.recent({ subjects: ['prod'], kinds: Object.keys(updateKinds), limit: 50 });
  return found.toReversed().map(({ kind, detail }) => {
    const { generation, from, to: now, who, settings = [] } = detail as UpdateDetail;
    const changed = settings.map((change) => `${change.setting} ${change.from} ${change.to}`).join(', ');
    const by = who === undefined ? '' : ` by ${who}`;
    return `${kind.slice('endpoint.'.length)} ${generation}: ${from?.join()} to ${now?.join()}${by}${changed === '' ? '' : `: ${changed}`}`;
  });
}

async function serving(config: EndpointConfig = prod): Promise<DeploymentFixture> {
  const fixture = await openDeploymentFixture();
  fixture.deployments.rollouts.follow({ get: () => null });
  await fixture.deployments.create(config, 'me');
  await settle();
  return fixture;
}

describe('an unmonitored deploy', () => {
  test('is reported once it is served: with the old and new versions, and who requested it', async () => {
    const fixture = await serving();
    fixture.provider.isPrompt = false;
    await fixture.deployments.update('prod', to(2), 'you');
    await settle();
    assert.deepEqual(await reported(fixture), ['deployed 1:  to digits/1 by me'], 'it does not serve yet');
    fixture.provider.ready('prod.alltraffic.2.0');
    await settle();
    assert.deepEqual(await reported(fixture), ['deployed 1:  to digits/1 by me', 'deployed 2: digits/1 to digits/2 by you']);
  });

  test('is reported once, whatever restarts it, and not if it brings no new versions', async () => {
    const fixture = await serving();
    await fixture.deployments.update('prod', to(1), 'you');
    await fixture.deployments.update('prod', { late: 'shed' }, 'you');
    await fixture.deployments.update('prod', { variants: [{ ...variant, instanceCount: 2 }] }, 'you');
    await settle();
    await fixture.deployments.load('prod', 'you');
    await settle();
    await fixture.deployments.unload('prod', 'you');
    await settle();
    await fixture.deployments.load('prod', 'you');
    await settle();
    const again = await fixture.restart();
    await settle();
    assert.deepEqual(
      (await reported(again)).filter((line) => !line.startsWith('settings-changed')),
      ['deployed 1:  to digits/1 by me'],
    );
  });

  test('is reported if variants swap their versions, and can be rolled back', async () => {
    const named = (name: string, version: number) => ({ ...variant, name, version });
    const fixture = await serving({ ...prod, variants: [named('a', 1), named('b', 2)] });
    await fixture.deployments.update('prod', { variants: [named('b', 2), named('a', 1)] }, 'you');
    await settle();
    await fixture.deployments.update('prod', { variants: [named('a', 2), named('b', 1)] }, 'you');
    await settle();
    const { config } = await fixture.deployments.rollBack('prod', 'me');
    assert.deepEqual(
      config.variants.map(({ name, version }) => `${name} ${version}`),
      ['b 2', 'a 1'],
    );
    assert.deepEqual(await reported(fixture), [
      'deployed 1:  to digits/1,digits/2 by me',
      'settings-changed 3: digits/2,digits/1 to digits/2,digits/1 by you: a.model digits/1 digits/2, b.model digits/2 digits/1',
      'deployed 3: digits/2,digits/1 to digits/2,digits/1 by you',
      'rolled-back 4: digits/2,digits/1 to digits/2,digits/1 by me: b.model digits/1 digits/2, a.model digits/2 digits/1',
    ]);
  });

  test('is also reported if the server was killed before it was served, without who requested it', async () => {
    const fixture = await serving();
    fixture.provider.isPrompt = false;
    await fixture.deployments.update('prod', to(2), 'you');
    await settle();
    const again = await fixture.restart();
    await settle();
    assert.deepEqual(await reported(again), ['deployed 1:  to digits/1 by me', 'deployed 2: digits/1 to digits/2']);
  });

  test('is not attributed to the user who loads it after such a restart', async () => {
    const fixture = await serving();
    fixture.provider.isPrompt = false;
    await fixture.deployments.update('prod', to(2), 'you');
    await fixture.deployments.unload('prod', 'you');
    await settle();
    const again = await fixture.restart();
    await again.deployments.load('prod', 'another');
    await settle();
    await again.deployments.update('prod', to(1), 'you');
    await again.deployments.load('prod', 'another');
    await settle();
    const [, second, third] = await reported(again);
    assert.deepEqual([second, third], ['deployed 2: digits/1 to digits/2', 'deployed 3: digits/2 to digits/1 by you']);
  });

  test('is not reported for a monitored update or a rollback, which have events of their own', async () => {
    const fixture = await serving();
    await fixture.deployments.update('prod', to(2), 'you', undefined, watched);
    await settle();
    await fixture.deployments.rollBack('prod', 'you');
    await settle();
    await fixture.deployments.update('prod', to(2), 'you', undefined, watched);
    for (let second = 0; second < 70; second++) {
      fixture.clock.advance(1000);
      await settle();
    }
    await fixture.deployments.rollBack('prod', 'you');
    await settle();
    const kinds = (await reported(fixture)).map((line) => line.split(' ')[0]);
    assert.deepEqual(
      kinds.filter((kind) => kind !== 'traffic-shifted'),
      ['deployed', 'update-started', 'update-rolled-back', 'update-started', 'update-completed', 'rolled-back'],
    );
  });
});

describe('a deploy of other settings', () => {
  test('is reported with old and new values, and who requested it; one that changes nothing is not', async () => {
    const fixture = await serving();
    await fixture.deployments.update('prod', { variants: [variant], late: 'serve' }, 'you');
    await fixture.deployments.update('prod', { objective: { percentile: 99, latencyMs: 20 }, late: 'shed' }, 'you');
    await fixture.deployments.update('prod', { variants: [{ ...variant, instanceCount: 2 }] }, 'another');
    await settle();
    assert.deepEqual(await reported(fixture), [
      'deployed 1:  to digits/1 by me',
      'settings-changed 2: digits/1 to digits/1 by you: objective p95<=50ms p99<=20ms, late serve shed',
      'settings-changed 3: digits/1 to digits/1 by another: AllTraffic.instance_count 1 2',
    ]);
  });

  test('is also reported for scaling limits, which are not a new generation', async () => {
    const fixture = await serving();
    const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
    await fixture.deployments.setScaling('prod', 'AllTraffic', scaling, 'you');
    await fixture.deployments.setScaling('prod', 'AllTraffic', { ...scaling, instancesMax: 8 }, 'you');
    await fixture.deployments.setScaling('prod', 'AllTraffic', { ...scaling, instancesMax: 8 }, 'you');
    const [, , last, ...others] = await reported(fixture);
    assert.deepEqual([last, others], ['settings-changed 1: digits/1 to digits/1 by you: AllTraffic.scaling.instances_max 4 8', []]);
  });

  test('is reported for instance counts that a user sets, but not for those that scaling sets', async () => {
    const fixture = await serving();
    const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
    await fixture.deployments.setScaling('prod', 'AllTraffic', scaling, 'you');
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 2, { trigger: 'alarm', why: 'an alarm was triggered' }); // set by scaling: no event
    await fixture.deployments.setCount('PROD', 'alltraffic', 3, 'you');
    await fixture.deployments.setCount('prod', 'AllTraffic', 3, 'you');
    await settle();
    assert.equal(fixture.deployments.get('prod').variants[0]?.ready, 3);
    await fixture.deployments.setScaling('prod', 'AllTraffic', { ...scaling, instancesMin: 4 }, 'me');
    await fixture.deployments.setScaling('prod', 'AllTraffic', null, 'another');
    const by = (line: string): string => line.replace('settings-changed 1: digits/1 to digits/1 by ', '');
    const [, , ...others] = await reported(fixture);
    assert.deepEqual(others.map(by), [
      'you: AllTraffic.instance_count 2 3',
      'me: AllTraffic.instance_count 3 4, AllTraffic.scaling.instances_min 1 4',
      'another: AllTraffic.scaling.policy economic null, AllTraffic.scaling.instances_min 4 null, AllTraffic.scaling.instances_max 4 null',
    ]);
  });

  test('a requested instance count is recorded as requested, applied within the limits, and rejected without scaling', async () => {
    const fixture = await serving();
    const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
    await fixture.deployments.setScaling('prod', 'AllTraffic', scaling, 'you');
    await fixture.deployments.setCount('prod', 'AllTraffic', 9, 'you');
    const { detail } = (await fixture.events.recent({ kinds: ['endpoint.changed'], limit: 1 }))[0] ?? {};
    const { variant: which, instances } = detail as { variant?: string; instances?: number };
    assert.deepEqual([which, instances, fixture.deployments.get('prod').variants[0]?.wanted], ['AllTraffic', 9, 4]);
    await fixture.deployments.setScaling('prod', 'AllTraffic', null, 'you');
    await assert.rejects(
      fixture.deployments.setCount('prod', 'AllTraffic', 2, 'you'),
      refusal('wrong_state', /AllTraffic.*does not scale/),
    );
    await assert.rejects(fixture.deployments.setCount('prod', 'other', 2, 'you'), refusal('not_found', /no variant 'other'/));
    await assert.rejects(fixture.deployments.setCount('other', 'AllTraffic', 2, 'you'), refusal('not_found', /other/));
  });

  test('together with other versions is reported as both, and monitored with the new update', async () => {
    const fixture = await serving();
    await fixture.deployments.update('prod', { ...to(2), late: 'shed' }, 'you');
    await settle();
    await fixture.deployments.update('prod', { ...to(1), late: 'serve' }, 'another', undefined, watched);
    await settle();
    await fixture.deployments.rollBack('prod', 'me');
    await settle();
    assert.deepEqual(
      (await reported(fixture)).filter((line) => !line.startsWith('traffic-shifted')),
      [
        'deployed 1:  to digits/1 by me',
        'settings-changed 2: digits/1 to digits/2 by you: late serve shed',
        'deployed 2: digits/1 to digits/2 by you',
        'update-started 3: digits/2 to digits/1 by another: late shed serve',
        'update-rolled-back 4: digits/1 to digits/2 by me: late serve shed',
      ],
    );
  });

  test('lists the first of many settings, and counts the others', async () => {
    const fixture = await serving();
    const variants = Array.from({ length: 9 }, (_, index) => ({ ...variant, name: `v${index}` }));
    await fixture.deployments.update('prod', { variants }, 'you');
    const [event] = await fixture.events.recent({ kinds: ['endpoint.settings-changed'], limit: 1 });
    const { settings = [], moreSettings = 0 } = (event?.detail ?? {}) as Partial<UpdateDetail>;
    assert.equal(settings.length, 20);
    assert(moreSettings > 9, `${moreSettings}`);
  });
});
