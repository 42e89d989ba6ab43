import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type House, openHouse, prod, refusal, settle, variant } from '../../test/deployment-house.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import { type UpdateDetail, updateKinds } from './update-events.ts';

const to = (version: number) => ({ variants: [{ ...variant, version }] });
const watched = { steps: [{ share: 1, bakeMs: 60_000 }], alarms: [], timeoutMs: null };

async function told({ events }: House) {
  const found = await events.recent({ subjects: ['prod'], kinds: Object.keys(updateKinds), limit: 50 });
  return found.toReversed().map(({ kind, detail }) => {
    const { generation, from, to: now, who, settings = [] } = detail as UpdateDetail;
    const changed = settings.map((change) => `${change.setting} ${change.from} ${change.to}`).join(', ');
    const by = who === undefined ? '' : ` by ${who}`;
    return `${kind.slice('endpoint.'.length)} ${generation}: ${from?.join()} to ${now?.join()}${by}${changed === '' ? '' : `: ${changed}`}`;
  });
}

async function serving(config: EndpointConfig = prod): Promise<House> {
  const house = await openHouse();
  house.deployments.rollouts.follow({ get: () => null });
  await house.deployments.create(config, 'me');
  await settle();
  return house;
}

describe('a deploy that nobody watches', () => {
  test('is told once it serves: from which versions, to which, and who asked for it', async () => {
    const house = await serving();
    house.provider.isPrompt = false;
    await house.deployments.update('prod', to(2), 'you');
    await settle();
    assert.deepEqual(await told(house), ['deployed 1:  to digits/1 by me'], 'it does not serve yet');
    house.provider.ready('prod.alltraffic.2.0');
    await settle();
    assert.deepEqual(await told(house), ['deployed 1:  to digits/1 by me', 'deployed 2: digits/1 to digits/2 by you']);
  });

  test('is told once, whatever starts it again, and not where it brings no other versions', async () => {
    const house = await serving();
    await house.deployments.update('prod', to(1), 'you');
    await house.deployments.update('prod', { late: 'shed' }, 'you');
    await house.deployments.update('prod', { variants: [{ ...variant, instanceCount: 2 }] }, 'you');
    await settle();
    await house.deployments.load('prod', 'you');
    await settle();
    await house.deployments.unload('prod', 'you');
    await settle();
    await house.deployments.load('prod', 'you');
    await settle();
    const again = await house.restart();
    await settle();
    assert.deepEqual(
      (await told(again)).filter((line) => !line.startsWith('settings-changed')),
      ['deployed 1:  to digits/1 by me'],
    );
  });

  test('is told where variants swap their versions, and one may go back on it', async () => {
    const named = (name: string, version: number) => ({ ...variant, name, version });
    const house = await serving({ ...prod, variants: [named('a', 1), named('b', 2)] });
    await house.deployments.update('prod', { variants: [named('b', 2), named('a', 1)] }, 'you');
    await settle();
    await house.deployments.update('prod', { variants: [named('a', 2), named('b', 1)] }, 'you');
    await settle();
    const { config } = await house.deployments.rollBack('prod', 'me');
    assert.deepEqual(
      config.variants.map(({ name, version }) => `${name} ${version}`),
      ['b 2', 'a 1'],
    );
    assert.deepEqual(await told(house), [
      'deployed 1:  to digits/1,digits/2 by me',
      'settings-changed 3: digits/2,digits/1 to digits/2,digits/1 by you: a.model digits/1 digits/2, b.model digits/2 digits/1',
      'deployed 3: digits/2,digits/1 to digits/2,digits/1 by you',
      'rolled-back 4: digits/2,digits/1 to digits/2,digits/1 by me: b.model digits/1 digits/2, a.model digits/2 digits/1',
    ]);
  });

  test('is told also where the server was killed before it served; nobody knows by then who asked for it', async () => {
    const house = await serving();
    house.provider.isPrompt = false;
    await house.deployments.update('prod', to(2), 'you');
    await settle();
    const again = await house.restart();
    await settle();
    assert.deepEqual(await told(again), ['deployed 1:  to digits/1 by me', 'deployed 2: digits/1 to digits/2']);
  });

  test('is not told as that of whoever only loads it again after such a restart', async () => {
    const house = await serving();
    house.provider.isPrompt = false;
    await house.deployments.update('prod', to(2), 'you');
    await house.deployments.unload('prod', 'you');
    await settle();
    const again = await house.restart();
    await again.deployments.load('prod', 'another');
    await settle();
    await again.deployments.update('prod', to(1), 'you');
    await again.deployments.load('prod', 'another');
    await settle();
    const [, second, third] = await told(again);
    assert.deepEqual([second, third], ['deployed 2: digits/1 to digits/2', 'deployed 3: digits/2 to digits/1 by you']);
  });

  test('is what a watched update is not, taken back or kept, nor a rollback: those are told as what they are', async () => {
    const house = await serving();
    await house.deployments.update('prod', to(2), 'you', undefined, watched);
    await settle();
    await house.deployments.rollBack('prod', 'you');
    await settle();
    await house.deployments.update('prod', to(2), 'you', undefined, watched);
    for (let second = 0; second < 70; second++) {
      house.clock.advance(1000);
      await settle();
    }
    await house.deployments.rollBack('prod', 'you');
    await settle();
    const kinds = (await told(house)).map((line) => line.split(' ')[0]);
    assert.deepEqual(
      kinds.filter((kind) => kind !== 'traffic-shifted'),
      ['deployed', 'update-begun', 'update-taken-back', 'update-begun', 'update-kept', 'rolled-back'],
    );
  });
});

describe('a deploy of other settings', () => {
  test('is told with which, from what to what, and who asked for it; one that changes nothing is not', async () => {
    const house = await serving();
    await house.deployments.update('prod', { variants: [variant], late: 'serve' }, 'you');
    await house.deployments.update('prod', { objective: { percentile: 99, latencyMs: 20 }, late: 'shed' }, 'you');
    await house.deployments.update('prod', { variants: [{ ...variant, instanceCount: 2 }] }, 'another');
    await settle();
    assert.deepEqual(await told(house), [
      'deployed 1:  to digits/1 by me',
      'settings-changed 2: digits/1 to digits/1 by you: objective p95<=50ms p99<=20ms, late serve shed',
      'settings-changed 3: digits/1 to digits/1 by another: AllTraffic.instance_count 1 2',
    ]);
  });

  test('is told of bounds of scaling too, which are no new generation', async () => {
    const house = await serving();
    const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
    await house.deployments.setScaling('prod', 'AllTraffic', scaling, 'you');
    await house.deployments.setScaling('prod', 'AllTraffic', { ...scaling, instancesMax: 8 }, 'you');
    await house.deployments.setScaling('prod', 'AllTraffic', { ...scaling, instancesMax: 8 }, 'you');
    const [, , last, ...others] = await told(house);
    assert.deepEqual([last, others], ['settings-changed 1: digits/1 to digits/1 by you: AllTraffic.scaling.instances_max 4 8', []]);
  });

  test('is told of the instances that somebody wants where it scales, and at the end of scaling only of what that changed', async () => {
    const house = await serving();
    const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
    await house.deployments.setScaling('prod', 'AllTraffic', scaling, 'you');
    await house.deployments.scale('prod', 'AllTraffic', 2); // the load's doing, nobody's
    await house.deployments.setCount('PROD', 'alltraffic', 3, 'you');
    await house.deployments.setCount('prod', 'AllTraffic', 3, 'you');
    await settle();
    assert.equal(house.deployments.get('prod').variants[0]?.ready, 3);
    await house.deployments.setScaling('prod', 'AllTraffic', { ...scaling, instancesMin: 4 }, 'me');
    await house.deployments.setScaling('prod', 'AllTraffic', null, 'another');
    const by = (line: string): string => line.replace('settings-changed 1: digits/1 to digits/1 by ', '');
    const [, , ...others] = await told(house);
    assert.deepEqual(others.map(by), [
      'you: AllTraffic.instance_count 2 3',
      'me: AllTraffic.instance_count 3 4, AllTraffic.scaling.instances_min 1 4',
      'another: AllTraffic.scaling.policy economic null, AllTraffic.scaling.instances_min 4 null, AllTraffic.scaling.instances_max 4 null',
    ]);
  });

  test('such a number is written down as it was asked for, taken within the limits, and refused where nothing scales', async () => {
    const house = await serving();
    const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
    await house.deployments.setScaling('prod', 'AllTraffic', scaling, 'you');
    await house.deployments.setCount('prod', 'AllTraffic', 9, 'you');
    const { detail } = (await house.events.recent({ kinds: ['endpoint.changed'], limit: 1 }))[0] ?? {};
    const { variant: which, instances } = detail as { variant?: string; instances?: number };
    assert.deepEqual([which, instances, house.deployments.get('prod').variants[0]?.wanted], ['AllTraffic', 9, 4]);
    await house.deployments.setScaling('prod', 'AllTraffic', null, 'you');
    await assert.rejects(house.deployments.setCount('prod', 'AllTraffic', 2, 'you'), refusal('wrong_state', /AllTraffic.*does not scale/));
    await assert.rejects(house.deployments.setCount('prod', 'nobody', 2, 'you'), refusal('not_found', /no variant 'nobody'/));
    await assert.rejects(house.deployments.setCount('nobody', 'AllTraffic', 2, 'you'), refusal('not_found', /nobody/));
  });

  test('together with other versions is told as both, and watched with the update that begins', async () => {
    const house = await serving();
    await house.deployments.update('prod', { ...to(2), late: 'shed' }, 'you');
    await settle();
    await house.deployments.update('prod', { ...to(1), late: 'serve' }, 'another', undefined, watched);
    await settle();
    await house.deployments.rollBack('prod', 'me');
    await settle();
    assert.deepEqual(
      (await told(house)).filter((line) => !line.startsWith('traffic-shifted')),
      [
        'deployed 1:  to digits/1 by me',
        'settings-changed 2: digits/1 to digits/2 by you: late serve shed',
        'deployed 2: digits/1 to digits/2 by you',
        'update-begun 3: digits/2 to digits/1 by another: late shed serve',
        'update-taken-back 4: digits/1 to digits/2 by me: late serve shed',
      ],
    );
  });

  test('tells of many settings the first, and how many there are', async () => {
    const house = await serving();
    const variants = Array.from({ length: 9 }, (_, index) => ({ ...variant, name: `v${index}` }));
    await house.deployments.update('prod', { variants }, 'you');
    const [event] = await house.events.recent({ kinds: ['endpoint.settings-changed'], limit: 1 });
    const { settings = [], moreSettings = 0 } = (event?.detail ?? {}) as Partial<UpdateDetail>;
    assert.equal(settings.length, 20);
    assert(moreSettings > 9, `${moreSettings}`);
  });
});
