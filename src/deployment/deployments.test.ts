import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openDeploymentFixture, prod, refusal, settle, untilDeleted, variant } from '../../test/deployment-fixture.ts';
import { PlatformError } from '../errors.ts';

describe('deploying', () => {
  test('starts a worker, attaches it, serves, and is InService', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider, serving } = fixture;
    const created = await deployments.create({ ...prod, variants: [{ ...variant, group: 'DIGITS' }] }, 'me');
    assert.deepEqual([created.status, created.generation, created.servedGeneration], ['Creating', 1, null]);
    const view = await deployments.waitFor('PROD', 1000);
    assert.deepEqual([view.status, view.reason, view.servedGeneration, view.variants[0]?.ready], ['InService', null, 1, 1]);
    assert.equal(view.config.variants[0]?.group, 'digits');
    assert.deepEqual(provider.ids(), ['prod.alltraffic.1.0']);
    assert.deepEqual(serving.notes, ['attach prod.alltraffic.1.0', 'serve prod digits/1']);
    const worker = serving.attached.get('prod.alltraffic.1.0');
    assert.deepEqual([worker?.variant, worker?.usdPerHour, worker?.threads, worker?.version.name], ['AllTraffic', 0.0425, 1, 'digits/1']);
    assert.deepEqual(fixture.measured, ['digits/1 instance:local.1']);
  });

  test('records the caller of each action in the audit log, and an event for each change of status', async () => {
    const fixture = await openDeploymentFixture();
    const reported: string[] = [];
    fixture.events.subscribe(({ kind, subject }) => reported.push(`${kind} ${subject}`));
    await fixture.deployments.create(prod, 'me');
    await fixture.deployments.waitFor('prod', 1000);
    await fixture.deployments.remove('prod', 'you');
    await untilDeleted(fixture);
    assert.deepEqual(reported, [
      'endpoint.created prod',
      'endpoint.creating prod',
      'endpoint.deployed prod',
      'endpoint.in-service prod',
      'endpoint.delete-requested prod',
      'endpoint.deleting prod',
      'endpoint.deleted prod',
    ]);
    const audited = (await fixture.audit.list({ limit: 2 })).map(({ who, action, target }) => `${who} ${action} ${target}`);
    assert.deepEqual(audited, ['you DeleteEndpoint prod', 'me CreateEndpoint prod']);
  });

  test('rejects versions that are not Approved, with the command to approve them', async () => {
    const { deployments } = await openDeploymentFixture();
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
    ['a duplicate variant name', { variants: [variant, { ...variant, name: 'ALLTRAFFIC' }] }, /duplicate variant name/],
    ['no weight above 0', { variants: [{ ...variant, weight: 0 }] }, /above 0/],
    ['a negative weight', { variants: [{ ...variant, weight: -1 }] }, /0 or more/],
    ['no instance', { variants: [{ ...variant, instanceCount: 0 }] }, /unload it/],
    ['too many instances', { variants: [{ ...variant, instanceCount: 65 }] }, /1 to 64/],
    ['an unknown instance type', { variants: [{ ...variant, instanceType: 'moon.large' }] }, /moon\.large/],
    ['a timeout of 0', { timeoutMs: 0 }, /1 to 3600000/],
    ['an invalid percentile', { objective: { percentile: 101, latencyMs: 5 } }, /percentile/],
  ] as const) {
    test(`rejects ${what}`, async () => {
      const { deployments } = await openDeploymentFixture();
      await assert.rejects(deployments.create({ ...prod, ...change }, 'me'), refusal('invalid_request', message));
    });
  }

  test('treats names as case-insensitive', async () => {
    const { deployments } = await openDeploymentFixture();
    await deployments.create(prod, 'me');
    await assert.rejects(deployments.create({ ...prod, name: 'Prod' }, 'me'), refusal('already_exists', /'prod'/));
    assert.equal(deployments.get('PROD').config.name, 'prod');
    assert.throws(() => deployments.get('other'), refusal('not_found', /other/));
  });

  test('notes when there are more threads than cores', async () => {
    const { deployments } = await openDeploymentFixture();
    await deployments.create({ ...prod, variants: [{ ...variant, instanceCount: 3 }] }, 'me');
    assert.match(deployments.get('prod').notes[0] ?? '', /3 instances with 3 threads on 2 cores/);
  });

  test('does not note that instances share the cores of this machine if hosts run them', async () => {
    const { deployments, provider } = await openDeploymentFixture();
    provider.host = { name: 'h1', zone: 'a' };
    await deployments.create({ ...prod, variants: [{ ...variant, instanceCount: 3 }] }, 'me');
    await deployments.waitFor('prod', 5000);
    assert.deepEqual(deployments.get('prod').notes, []);
  });
});

describe('waiting for an endpoint', () => {
  test('ends at the timeout, or when the endpoint is deleted', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider, clock } = fixture;
    provider.isPrompt = false;
    await deployments.create(prod, 'me');
    const waiting = deployments.waitFor('prod', 5000);
    clock.advance(5000);
    await assert.rejects(waiting, refusal('deadline_exceeded', /still Creating/));
    const other = deployments.waitFor('prod', 5000);
    await Promise.all([deployments.remove('prod', 'me'), assert.rejects(other, refusal('not_found', /prod/))]);
  });

  test('shows why a step fails, and the step is retried every second', async (t) => {
    const { deployments, provider, clock, log } = await openDeploymentFixture();
    const { mock } = t.mock.method(log, 'warn', () => undefined);
    provider.refuses = new PlatformError('unavailable', 'no more processes');
    await deployments.create(prod, 'me');
    await settle();
    assert.match(deployments.get('prod').reason ?? '', /start: no more processes/);
    for (let second = 0; second < 130; second++) {
      clock.advance(1000);
      await settle(2);
    }
    assert.ok(mock.callCount() >= 2 && mock.callCount() <= 3, `${mock.callCount()} warnings in 130 seconds`);
    provider.refuses = null;
    clock.advance(1000);
    assert.equal((await deployments.waitFor('prod', 1000)).reason, null);
  });
});
