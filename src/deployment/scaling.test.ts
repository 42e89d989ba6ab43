import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type House, openHouse, prod, refusal, serverless, settle, variant } from '../../test/deployment-house.ts';
import type { EndpointConfig, VariantConfig } from './endpoint-config.ts';
import { parseFloor } from './scheduled-floor.ts';

const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
const scaled: VariantConfig = { ...variant, scaling };
const hybrid: VariantConfig = { ...serverless, instanceCount: 1, scaling: { ...scaling, instancesMin: 0 } };

async function deployed(one: VariantConfig, more: Partial<EndpointConfig> = {}): Promise<House> {
  const house = await openHouse();
  await house.deployments.create({ ...prod, ...more, variants: [one] }, 'me');
  await settle();
  return house;
}

const sight = ({ deployments }: House) => {
  const { status, generation, variants } = deployments.get('prod');
  return { status, generation, wanted: variants[0]?.wanted, ready: variants[0]?.ready };
};

describe('a count that scaling decided', () => {
  test('is brought about without a change of the config', async () => {
    const house = await deployed(scaled);
    assert.deepEqual(sight(house), { status: 'InService', generation: 1, wanted: 1, ready: 1 });
    assert.equal(await house.deployments.scale('PROD', 'alltraffic', 3), 3);
    await settle();
    assert.deepEqual(sight(house), { status: 'InService', generation: 1, wanted: 3, ready: 3 });
    assert.deepEqual(house.provider.ids(), ['prod.alltraffic.1.0', 'prod.alltraffic.1.1', 'prod.alltraffic.1.2']);
    assert.deepEqual(house.deployments.get('prod').config.variants[0]?.instanceCount, 1);
  });

  test('lets those go first that are named, drained before they are ended', async () => {
    const house = await deployed(scaled);
    await house.deployments.scale('prod', 'AllTraffic', 3);
    await settle();
    house.serving.notes.length = 0;
    await house.deployments.scale('prod', 'AllTraffic', 1, ['prod.alltraffic.1.0', 'prod.alltraffic.1.2']);
    await settle();
    assert.deepEqual(house.provider.ids(), ['prod.alltraffic.1.1']);
    const drained = house.serving.notes.filter((note) => note.startsWith('drain')).sort();
    assert.deepEqual(drained, ['drain prod.alltraffic.1.0', 'drain prod.alltraffic.1.2']);
  });

  test('is paid for from the launch of each on, also of one that is sent away before it is ready', async () => {
    const house = await deployed(scaled);
    const before = house.serving.launchedIds.length;
    house.provider.isPrompt = false;
    await house.deployments.scale('prod', 'AllTraffic', 2);
    await settle();
    assert.deepEqual(house.serving.launchedIds.slice(before), ['prod.alltraffic.1.1']);
    house.serving.notes.length = 0;
    await house.deployments.scale('prod', 'AllTraffic', 1);
    await settle();
    assert(house.serving.notes.includes('drain prod.alltraffic.1.1'), 'that is how its bill is closed');
  });

  test('stays within what the config allows, also when that changes', async () => {
    const house = await deployed(scaled);
    assert.equal(await house.deployments.scale('prod', 'AllTraffic', 60), 4);
    await settle();
    const fewer = { ...scaled, scaling: { ...scaling, instancesMax: 2 } };
    await house.deployments.update('prod', { variants: [fewer] }, 'me');
    await settle();
    assert.deepEqual(sight(house), { status: 'InService', generation: 2, wanted: 2, ready: 2 });
  });

  test('survives the end of the server, whatever ended it', async () => {
    const house = await deployed(scaled);
    await house.deployments.scale('prod', 'AllTraffic', 3);
    const next = await house.restart();
    await settle();
    assert.deepEqual(sight(next), { status: 'InService', generation: 1, wanted: 3, ready: 3 });
  });

  test('holds for the version that comes next, and is forgotten when the variant scales no more', async () => {
    const house = await deployed(scaled);
    await house.deployments.scale('prod', 'AllTraffic', 2);
    await house.deployments.update('prod', { variants: [{ ...scaled, version: 2 }] }, 'me');
    await settle();
    assert.deepEqual(sight(house), { status: 'InService', generation: 2, wanted: 2, ready: 2 });
    await house.deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await settle();
    assert.equal(sight(house).wanted, 1);
    assert.equal(await house.deployments.scale('prod', 'AllTraffic', 3), null);
    await house.deployments.update('prod', { variants: [{ ...scaled, version: 2 }] }, 'me');
    const next = await house.restart();
    await settle();
    assert.equal(sight(next).wanted, 1);
  });

  test('may be none where functions serve, also after a restart', async () => {
    const house = await deployed(hybrid);
    await house.deployments.scale('prod', 'AllTraffic', 0);
    await settle();
    assert.deepEqual(sight(house), { status: 'InService', generation: 1, wanted: 0, ready: 0 });
    assert.equal(house.deployments.get('prod').reason, null);
    const next = await house.restart();
    await settle();
    assert.deepEqual(sight(next), { status: 'InService', generation: 1, wanted: 0, ready: 0 });
    assert.deepEqual(next.provider.ids(), []);
  });
});

describe('another way of scaling', () => {
  test('is no new generation: the endpoint stays in service while instances come', async () => {
    const house = await deployed(variant);
    const told: string[] = [];
    house.deployments.onChange(({ status }) => told.push(status));
    house.provider.isPrompt = false;
    await house.deployments.setScaling('PROD', 'alltraffic', { ...scaling, instancesMin: 2 }, 'me');
    await settle();
    assert.deepEqual(sight(house), { status: 'InService', generation: 1, wanted: 2, ready: 1 });
    assert.deepEqual(told, []);
    const next = await house.restart();
    assert.equal(next.deployments.get('prod').config.variants[0]?.scaling?.instancesMin, 2);
  });

  test('in an update is told as soon as it is served, though the status stays', async () => {
    const house = await deployed(scaled);
    const told: unknown[] = [];
    house.deployments.onChange(({ status }) => told.push(status));
    house.deployments.onServed(() => told.push(house.deployments.get('prod').config.variants[0]?.scaling?.usdPerHourMax));
    await house.deployments.update('prod', { variants: [{ ...scaled, scaling: { ...scaling, usdPerHourMax: 0.5 } }] }, 'me');
    assert.deepEqual(told, [0.5]);
  });

  test('or none keeps the instances there are, and one at least', async () => {
    const house = await deployed({ ...scaled, scaling: { ...scaling, instancesMin: 0 } });
    await house.deployments.scale('prod', 'AllTraffic', 3);
    await house.deployments.setScaling('prod', 'AllTraffic', null, 'me');
    await settle();
    assert.deepEqual(sight(house), { status: 'InService', generation: 1, wanted: 3, ready: 3 });
    await house.deployments.setScaling('prod', 'AllTraffic', { ...scaling, instancesMin: 0 }, 'me');
    await house.deployments.scale('prod', 'AllTraffic', 0);
    await settle();
    assert.deepEqual(sight(house), { status: 'InService', generation: 1, wanted: 0, ready: 0 });
    await house.deployments.setScaling('prod', 'AllTraffic', null, 'me');
    await settle();
    assert.equal(sight(house).wanted, 1);
  });

  test('with wider limits leaves as many as there are', async () => {
    const house = await deployed(variant);
    const wanted = async (instancesMin: number) => {
      await house.deployments.setScaling('prod', 'AllTraffic', { ...scaling, instancesMin }, 'me');
      await settle();
      return sight(house).wanted;
    };
    assert.deepEqual([await wanted(3), await wanted(1)], [3, 3]);
    const next = await house.restart();
    await settle();
    assert.equal(sight(next).wanted, 3);
  });

  test('is refused for a variant that is not there, and where it makes no sense', async () => {
    const { deployments } = await deployed(variant);
    await assert.rejects(deployments.setScaling('prod', 'blue', scaling, 'me'), refusal('not_found', /has no variant 'blue'/));
    const wrong = { ...scaling, instancesMin: 9 };
    await assert.rejects(deployments.setScaling('prod', 'AllTraffic', wrong, 'me'), refusal('invalid_request', /more than the maximum/));
  });
});

test('what others keep of an endpoint is written with it or not at all', async () => {
  const house = await openHouse();
  const kept: string[] = [];
  const keep = async (_: unknown, { config, generation }: { config: EndpointConfig; generation: number }) => {
    kept.push(`${config.name} ${generation}`);
  };
  const fail = () => Promise.reject(new Error('no room'));
  await assert.rejects(house.deployments.create(prod, 'me', fail), /no room/);
  assert.deepEqual(house.deployments.list(), []);
  await house.deployments.create(prod, 'me', keep);
  await house.deployments.update('prod', { late: 'serve' }, 'me', keep);
  await house.deployments.update('prod', { late: 'shed' }, 'me', keep);
  await house.deployments.setScaling('prod', 'AllTraffic', scaling, 'me', keep);
  assert.deepEqual(kept, ['prod 1', 'prod 1', 'prod 2', 'prod 2']);
});

test('instances are told by what they do, and what keeps them from starting', async () => {
  const house = await deployed(scaled);
  const { provider, deployments } = house;
  const told = () => deployments.get('prod').variants[0]?.instances.map(({ state }) => state);
  provider.isPrompt = false;
  await deployments.scale('prod', 'AllTraffic', 2);
  await settle();
  assert.deepEqual(told(), ['active', 'launching']);
  provider.crash('prod.alltraffic.1.1', { state: 'failed', reason: 'no memory' });
  assert.deepEqual(told(), ['active', 'failed']);
  assert.equal(deployments.get('prod').variants[0]?.startTrouble, 'no memory');
  await deployments.scale('prod', 'AllTraffic', 1);
  await settle();
  assert.deepEqual([told(), deployments.get('prod').variants[0]?.startTrouble], [['active'], null]);
  provider.refuses = new Error('no processes left');
  await deployments.scale('prod', 'AllTraffic', 2);
  await settle();
  assert.equal(deployments.get('prod').variants[0]?.startTrouble, 'no processes left');
});

describe('a scaling config', () => {
  for (const [what, one, message] of [
    ['a minimum above the maximum', { ...scaled, scaling: { ...scaling, instancesMin: 5 } }, /\(5\) is more than the maximum \(4\)/],
    ['a direction nobody knows', { ...scaled, scaling: { ...scaling, directions: 'up' as 'out' } }, /both, out, in, none, got 'up'/],
    ['half an instance', { ...scaled, scaling: { ...scaling, instancesMin: 0.5 } }, /whole number from 0 to 64, got 0.5/],
    ['more than there may be', { ...scaled, scaling: { ...scaling, instancesMax: 65 } }, /whole number from 1 to 64, got 65/],
    [
      'a floor above the maximum',
      { ...scaled, scaling: { ...scaling, floors: [parseFloor('mon 08:00-18:00 5')] } },
      /'mon 08:00-18:00 5' is more than the maximum of 4/,
    ],
    ['a budget of nothing', { ...scaled, scaling: { ...scaling, usdPerHourMax: 0 } }, /above 0, or none, got 0/],
    ['functions alone', { ...serverless, scaling }, /scaling counts instances, and it is serverless/],
  ] as const) {
    test(`refuses ${what}`, async () => {
      const { deployments } = await openHouse();
      await assert.rejects(deployments.create({ ...prod, variants: [one] }, 'me'), refusal('invalid_request', message));
    });
  }
});

test('a budget that the minimum alone exceeds is noted', async () => {
  const house = await deployed({ ...scaled, scaling: { ...scaling, instancesMin: 2, usdPerHourMax: 0.0001 } });
  const [note = ''] = house.deployments.get('prod').notes;
  assert.match(note, /^variant AllTraffic: its minimum of 2 × local\.1 alone costs \$[\d.]+ an hour, more than its budget of \$0\.0001/);
  await house.deployments.update('prod', { variants: [{ ...scaled, scaling: { ...scaling, usdPerHourMax: 100 } }] }, 'me');
  assert.deepEqual(house.deployments.get('prod').notes, []);
});
