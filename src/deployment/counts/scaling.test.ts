import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type DeploymentFixture,
  openDeploymentFixture,
  prod,
  refusal,
  serverless,
  settle,
  variant,
} from '../../../test/deployment-fixture.ts';
import type { EndpointConfig, VariantConfig } from '../config/endpoint-config.ts';
import { parseFloor } from '../config/scheduled-floor.ts';
import type { CountCause } from './count-decision.ts';
import type { PolicyDecision } from './instance-counts.ts';

const scaling = { policy: 'economic', instancesMin: 1, instancesMax: 4, usdPerHourMax: null };
const scaled: VariantConfig = { ...variant, scaling };
const hybrid: VariantConfig = { ...serverless, instanceCount: 1, scaling: { ...scaling, instancesMin: 0 } };

async function deployed(one: VariantConfig, more: Partial<EndpointConfig> = {}): Promise<DeploymentFixture> {
  const fixture = await openDeploymentFixture();
  await fixture.deployments.create({ ...prod, ...more, variants: [one] }, 'me');
  await settle();
  return fixture;
}

const alarm: CountCause = { trigger: 'alarm', why: 'an alarm was triggered' };

function decided({ deployments }: DeploymentFixture, made: Pick<PolicyDecision, 'before' | 'count'> & Partial<PolicyDecision>) {
  const chosen = { plan: { 'local.1': made.count } };
  const common = { kind: 'scaling', endpoint: 'prod', variant: 'AllTraffic', trigger: 'period', inputs: {}, alternatives: [] } as const;
  const record = { ...common, chosen, reason: 'rule', explanation: 'as the policy says', changes: true };
  return deployments.counts.decided({ endpoint: 'prod', variant: 'AllTraffic', leaving: [], record, ...made });
}

const observed = ({ deployments }: DeploymentFixture) => {
  const { status, generation, variants } = deployments.get('prod');
  return { status, generation, wanted: variants[0]?.wanted, ready: variants[0]?.ready };
};

describe('an instance count set by scaling', () => {
  test('takes effect without a change of the config', async () => {
    const fixture = await deployed(scaled);
    assert.deepEqual(observed(fixture), { status: 'InService', generation: 1, wanted: 1, ready: 1 });
    assert.notEqual(await fixture.deployments.counts.requested('PROD', 'alltraffic', 3, alarm), null);
    await settle();
    assert.deepEqual(observed(fixture), { status: 'InService', generation: 1, wanted: 3, ready: 3 });
    assert.deepEqual(fixture.provider.ids(), ['prod.alltraffic.1.0', 'prod.alltraffic.1.1', 'prod.alltraffic.1.2']);
    assert.deepEqual(fixture.deployments.get('prod').config.variants[0]?.instanceCount, 1);
  });

  test('removes the named instances first, and drains them before they stop', async () => {
    const fixture = await deployed(scaled);
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 3, alarm);
    await settle();
    fixture.serving.notes.length = 0;
    await decided(fixture, { before: 3, count: 1, leaving: ['prod.alltraffic.1.0', 'prod.alltraffic.1.2'] });
    await settle();
    assert.deepEqual(fixture.provider.ids(), ['prod.alltraffic.1.1']);
    const drained = fixture.serving.notes.filter((note) => note.startsWith('drain')).sort();
    assert.deepEqual(drained, ['drain prod.alltraffic.1.0', 'drain prod.alltraffic.1.2']);
  });

  test('is billed from the launch of each instance, even if one is removed before it is ready', async () => {
    const fixture = await deployed(scaled);
    const before = fixture.serving.launchedIds.length;
    fixture.provider.isPrompt = false;
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 2, alarm);
    await settle();
    assert.deepEqual(fixture.serving.launchedIds.slice(before), ['prod.alltraffic.1.1']);
    fixture.serving.notes.length = 0;
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 1, alarm);
    await settle();
    assert(fixture.serving.notes.includes('drain prod.alltraffic.1.1'), 'the drain ends its billing');
  });

  test('is void if another cause has changed the count or the limits since it was observed', async () => {
    const fixture = await deployed(scaled);
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 2, alarm);
    assert.equal(await decided(fixture, { before: 1, count: 3 }), null);
    assert.equal(await decided(fixture, { before: 2, count: 9 }), null);
    assert.equal(observed(fixture).wanted, 2);
    assert.equal((await decided(fixture, { before: 2, count: 3 }))?.explanation, 'as the policy says');
    assert.equal(observed(fixture).wanted, 3);
  });

  test('stays within the limits of the config, also when they change', async () => {
    const fixture = await deployed(scaled);
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 60, alarm);
    await settle();
    const fewer = { ...scaled, scaling: { ...scaling, instancesMax: 2 } };
    await fixture.deployments.update('prod', { variants: [fewer] }, 'me');
    await settle();
    assert.deepEqual(observed(fixture), { status: 'InService', generation: 2, wanted: 2, ready: 2 });
  });

  test('survives a restart of the server', async () => {
    const fixture = await deployed(scaled);
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 3, alarm);
    const next = await fixture.restart();
    await settle();
    assert.deepEqual(observed(next), { status: 'InService', generation: 1, wanted: 3, ready: 3 });
  });

  test('applies to the next version, and is deleted when the variant no longer scales', async () => {
    const fixture = await deployed(scaled);
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 2, alarm);
    await fixture.deployments.update('prod', { variants: [{ ...scaled, version: 2 }] }, 'me');
    await settle();
    assert.deepEqual(observed(fixture), { status: 'InService', generation: 2, wanted: 2, ready: 2 });
    await fixture.deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await settle();
    assert.equal(observed(fixture).wanted, 1);
    assert.equal(await fixture.deployments.counts.requested('prod', 'AllTraffic', 3, alarm), null);
    await fixture.deployments.update('prod', { variants: [{ ...scaled, version: 2 }] }, 'me');
    const next = await fixture.restart();
    await settle();
    assert.equal(observed(next).wanted, 1);
  });

  test('may be 0 if functions serve, also after a restart', async () => {
    const fixture = await deployed(hybrid);
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 0, alarm);
    await settle();
    assert.deepEqual(observed(fixture), { status: 'InService', generation: 1, wanted: 0, ready: 0 });
    assert.equal(fixture.deployments.get('prod').reason, null);
    const next = await fixture.restart();
    await settle();
    assert.deepEqual(observed(next), { status: 'InService', generation: 1, wanted: 0, ready: 0 });
    assert.deepEqual(next.provider.ids(), []);
  });
});

describe('a change of the scaling config', () => {
  test('is not a new generation: the endpoint stays in service while instances start', async () => {
    const fixture = await deployed(variant);
    const reported: string[] = [];
    fixture.deployments.onChange(({ status }) => reported.push(status));
    fixture.provider.isPrompt = false;
    await fixture.deployments.setScaling('PROD', 'alltraffic', { ...scaling, instancesMin: 2 }, 'me');
    await settle();
    assert.deepEqual(observed(fixture), { status: 'InService', generation: 1, wanted: 2, ready: 1 });
    assert.deepEqual(reported, []);
    const next = await fixture.restart();
    assert.equal(next.deployments.get('prod').config.variants[0]?.scaling?.instancesMin, 2);
  });

  test('in an update is reported as soon as it is served, even if the status stays', async () => {
    const fixture = await deployed(scaled);
    const reported: unknown[] = [];
    fixture.deployments.onChange(({ status }) => reported.push(status));
    fixture.deployments.onServed(() => reported.push(fixture.deployments.get('prod').config.variants[0]?.scaling?.usdPerHourMax));
    await fixture.deployments.update('prod', { variants: [{ ...scaled, scaling: { ...scaling, usdPerHourMax: 0.5 } }] }, 'me');
    assert.deepEqual(reported, [0.5]);
  });

  test('to none keeps the current instances, and at least one', async () => {
    const fixture = await deployed({ ...scaled, scaling: { ...scaling, instancesMin: 0 } });
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 3, alarm);
    await fixture.deployments.setScaling('prod', 'AllTraffic', null, 'me');
    await settle();
    assert.deepEqual(observed(fixture), { status: 'InService', generation: 1, wanted: 3, ready: 3 });
    await fixture.deployments.setScaling('prod', 'AllTraffic', { ...scaling, instancesMin: 0 }, 'me');
    await fixture.deployments.counts.requested('prod', 'AllTraffic', 0, alarm);
    await settle();
    assert.deepEqual(observed(fixture), { status: 'InService', generation: 1, wanted: 0, ready: 0 });
    await fixture.deployments.setScaling('prod', 'AllTraffic', null, 'me');
    await settle();
    assert.equal(observed(fixture).wanted, 1);
  });

  test('to wider limits keeps the current count', async () => {
    const fixture = await deployed(variant);
    const wanted = async (instancesMin: number) => {
      await fixture.deployments.setScaling('prod', 'AllTraffic', { ...scaling, instancesMin }, 'me');
      await settle();
      return observed(fixture).wanted;
    };
    assert.deepEqual([await wanted(3), await wanted(1)], [3, 3]);
    const next = await fixture.restart();
    await settle();
    assert.equal(observed(next).wanted, 3);
  });

  test('is rejected for an unknown variant and for invalid limits', async () => {
    const { deployments } = await deployed(variant);
    await assert.rejects(deployments.setScaling('prod', 'blue', scaling, 'me'), refusal('not_found', /has no variant 'blue'/));
    const wrong = { ...scaling, instancesMin: 9 };
    await assert.rejects(deployments.setScaling('prod', 'AllTraffic', wrong, 'me'), refusal('invalid_request', /above the maximum/));
  });
});

test('what other modules store with an endpoint is written in the same transaction', async () => {
  const fixture = await openDeploymentFixture();
  const retained: string[] = [];
  const store = async (_: unknown, { config, generation }: { config: EndpointConfig; generation: number }) => {
    retained.push(`${config.name} ${generation}`);
  };
  const fail = () => Promise.reject(new Error('no room'));
  await assert.rejects(fixture.deployments.create(prod, 'me', fail), /no room/);
  assert.deepEqual(fixture.deployments.list(), []);
  await fixture.deployments.create(prod, 'me', store);
  await fixture.deployments.update('prod', { late: 'serve' }, 'me', store);
  await fixture.deployments.update('prod', { late: 'shed' }, 'me', store);
  await fixture.deployments.setScaling('prod', 'AllTraffic', scaling, 'me', store);
  assert.deepEqual(retained, ['prod 1', 'prod 1', 'prod 2', 'prod 2']);
});

test('instances are listed with their states, and with the reason if they cannot start', async () => {
  const fixture = await deployed(scaled);
  const { provider, deployments } = fixture;
  const reported = () => deployments.get('prod').variants[0]?.instances.map(({ state }) => state);
  provider.isPrompt = false;
  await deployments.counts.requested('prod', 'AllTraffic', 2, alarm);
  await settle();
  assert.deepEqual(reported(), ['active', 'launching']);
  provider.crash('prod.alltraffic.1.1', { state: 'failed', reason: 'no memory' });
  assert.deepEqual(reported(), ['active', 'failed']);
  assert.equal(deployments.get('prod').variants[0]?.startTrouble, 'no memory');
  await deployments.counts.requested('prod', 'AllTraffic', 1, alarm);
  await settle();
  assert.deepEqual([reported(), deployments.get('prod').variants[0]?.startTrouble], [['active'], null]);
  provider.refuses = new Error('no processes left');
  await deployments.counts.requested('prod', 'AllTraffic', 2, alarm);
  await settle();
  assert.equal(deployments.get('prod').variants[0]?.startTrouble, 'no processes left');
});

describe('a scaling config', () => {
  for (const [what, one, message] of [
    ['a minimum above the maximum', { ...scaled, scaling: { ...scaling, instancesMin: 5 } }, /\(5\) is above the maximum \(4\)/],
    ['an unknown direction', { ...scaled, scaling: { ...scaling, directions: 'up' as 'out' } }, /both, out, in, none, got 'up'/],
    ['a fractional minimum', { ...scaled, scaling: { ...scaling, instancesMin: 0.5 } }, /whole number from 0 to 64, got 0.5/],
    ['a maximum above the limit', { ...scaled, scaling: { ...scaling, instancesMax: 65 } }, /whole number from 1 to 64, got 65/],
    [
      'a floor above the maximum',
      { ...scaled, scaling: { ...scaling, floors: [parseFloor('mon 08:00-18:00 5')] } },
      /'mon 08:00-18:00 5' is above the maximum of 4/,
    ],
    ['a budget of 0', { ...scaled, scaling: { ...scaling, usdPerHourMax: 0 } }, /above 0, or none, got 0/],
    ['a serverless variant', { ...serverless, scaling }, /scaling requires instances, but the variant is serverless/],
  ] as const) {
    test(`rejects ${what}`, async () => {
      const { deployments } = await openDeploymentFixture();
      await assert.rejects(deployments.create({ ...prod, variants: [one] }, 'me'), refusal('invalid_request', message));
    });
  }
});

test('a budget that the minimum alone exceeds is noted', async () => {
  const fixture = await deployed({ ...scaled, scaling: { ...scaling, instancesMin: 2, usdPerHourMax: 0.0001 } });
  const [note = ''] = fixture.deployments.get('prod').notes;
  assert.match(note, /^variant AllTraffic: its minimum of 2 × local\.1 costs \$[\d.]+ per hour, above its budget of \$0\.0001/);
  await fixture.deployments.update('prod', { variants: [{ ...scaled, scaling: { ...scaling, usdPerHourMax: 100 } }] }, 'me');
  assert.deepEqual(fixture.deployments.get('prod').notes, []);
});
