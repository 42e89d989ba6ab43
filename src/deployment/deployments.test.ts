import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gone, openHouse, prod, refusal, settle, variant } from '../../test/deployment-house.ts';
import { PlatformError } from '../errors.ts';

describe('deploying', () => {
  test('starts a worker, attaches it, serves, and is InService', async () => {
    const house = await openHouse();
    const { deployments, provider, serving } = house;
    const created = await deployments.create({ ...prod, variants: [{ ...variant, group: 'DIGITS' }] }, 'me');
    assert.deepEqual([created.status, created.generation, created.servedGeneration], ['Creating', 1, null]);
    const view = await deployments.waitFor('PROD', 1000);
    assert.deepEqual([view.status, view.reason, view.servedGeneration, view.variants[0]?.ready], ['InService', null, 1, 1]);
    assert.equal(view.config.variants[0]?.group, 'digits');
    assert.deepEqual(provider.ids(), ['prod.alltraffic.1.0']);
    assert.deepEqual(serving.notes, ['attach prod.alltraffic.1.0', 'serve prod digits/1']);
    const worker = serving.attached.get('prod.alltraffic.1.0');
    assert.deepEqual([worker?.variant, worker?.usdPerHour, worker?.threads, worker?.version.name], ['AllTraffic', 0.0425, 1, 'digits/1']);
    assert.deepEqual(house.measured, ['digits/1 instance:local.1']);
  });

  test('writes down who wanted what, and tells each change of status', async () => {
    const house = await openHouse();
    const told: string[] = [];
    house.events.subscribe(({ kind, subject }) => told.push(`${kind} ${subject}`));
    await house.deployments.create(prod, 'me');
    await house.deployments.waitFor('prod', 1000);
    await house.deployments.remove('prod', 'you');
    await gone(house);
    assert.deepEqual(told, [
      'endpoint.created prod',
      'endpoint.creating prod',
      'endpoint.deployed prod',
      'endpoint.in-service prod',
      'endpoint.delete-requested prod',
      'endpoint.deleting prod',
      'endpoint.deleted prod',
    ]);
    const audited = (await house.audit.list({ limit: 2 })).map(({ who, action, target }) => `${who} ${action} ${target}`);
    assert.deepEqual(audited, ['you DeleteEndpoint prod', 'me CreateEndpoint prod']);
  });

  test('takes only Approved versions, and says how to approve', async () => {
    const { deployments } = await openHouse();
    const config = { ...prod, variants: [{ ...variant, version: 3 }] };
    await assert.rejects(
      deployments.create(config, 'me'),
      refusal('wrong_state', /digits\/3 is PendingManualApproval.*penstock approve digits\/3/),
    );
    await assert.rejects(deployments.create({ ...prod, variants: [{ ...variant, version: 9 }] }, 'me'), refusal('not_found', /digits\/9/));
    assert.deepEqual(deployments.list(), []);
  });

  for (const [what, change, message] of [
    ['a name with an underscore', { name: 'no_good' }, /endpoint name/],
    ['no variant', { variants: [] }, /1 to 10 variants/],
    ['a variant name twice', { variants: [variant, { ...variant, name: 'ALLTRAFFIC' }] }, /given twice/],
    ['no weight above 0', { variants: [{ ...variant, weight: 0 }] }, /above 0/],
    ['a negative weight', { variants: [{ ...variant, weight: -1 }] }, /0 or more/],
    ['no instance', { variants: [{ ...variant, instanceCount: 0 }] }, /unload it/],
    ['too many instances', { variants: [{ ...variant, instanceCount: 65 }] }, /1 to 64/],
    ['an unknown instance type', { variants: [{ ...variant, instanceType: 'moon.large' }] }, /moon\.large/],
    ['a timeout of nothing', { timeoutMs: 0 }, /1 to 3600000/],
    ['an objective beyond reason', { objective: { percentile: 101, latencyMs: 5 } }, /percentile/],
  ] as const) {
    test(`refuses ${what}`, async () => {
      const { deployments } = await openHouse();
      await assert.rejects(deployments.create({ ...prod, ...change }, 'me'), refusal('invalid_request', message));
    });
  }

  test('knows names without case', async () => {
    const { deployments } = await openHouse();
    await deployments.create(prod, 'me');
    await assert.rejects(deployments.create({ ...prod, name: 'Prod' }, 'me'), refusal('already_exists', /'prod'/));
    assert.equal(deployments.get('PROD').config.name, 'prod');
    assert.throws(() => deployments.get('other'), refusal('not_found', /other/));
  });

  test('says when there are more threads than cores', async () => {
    const { deployments } = await openHouse();
    await deployments.create({ ...prod, variants: [{ ...variant, instanceCount: 3 }] }, 'me');
    assert.match(deployments.get('prod').notes[0] ?? '', /3 instances with 3 threads on 2 cores/);
  });
});

describe('the wait for an endpoint', () => {
  test('ends when the time is over, or the endpoint is gone', async () => {
    const house = await openHouse();
    const { deployments, provider, clock } = house;
    provider.isPrompt = false;
    await deployments.create(prod, 'me');
    const waiting = deployments.waitFor('prod', 5000);
    clock.advance(5000);
    await assert.rejects(waiting, refusal('deadline_exceeded', /still Creating/));
    const other = deployments.waitFor('prod', 5000);
    await Promise.all([deployments.remove('prod', 'me'), assert.rejects(other, refusal('not_found', /prod/))]);
  });

  test('sees why a step does not succeed, which is tried again each second', async () => {
    const { deployments, provider, clock } = await openHouse();
    provider.refuses = new PlatformError('unavailable', 'no more processes');
    await deployments.create(prod, 'me');
    await settle();
    assert.match(deployments.get('prod').reason ?? '', /start: no more processes/);
    provider.refuses = null;
    clock.advance(1000);
    assert.equal((await deployments.waitFor('prod', 1000)).reason, null);
  });
});
