import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openDeploymentFixture, prod, refusal, settle, until, variant } from '../../test/deployment-fixture.ts';

describe('an update', () => {
  test('starts new workers in addition to the old ones, switches when they are ready, then drains the old ones', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider, serving } = fixture;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    provider.isPrompt = false;
    serving.notes.length = 0;
    const updating = await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    assert.deepEqual([updating.status, updating.generation, updating.servedGeneration], ['Updating', 2, 1]);
    await settle();
    assert.deepEqual([provider.ids(), serving.notes], [['prod.alltraffic.1.0', 'prod.alltraffic.2.0'], []]);
    provider.ready('prod.alltraffic.2.0');
    await deployments.waitFor('prod', 1000);
    await settle();
    assert.deepEqual(serving.notes, [
      'attach prod.alltraffic.2.0',
      'serve prod digits/2',
      'drain prod.alltraffic.1.0',
      'detach prod.alltraffic.1.0',
    ]);
    assert.deepEqual(provider.ids(), ['prod.alltraffic.2.0']);
  });

  test('of settings only keeps the workers and takes effect at once', async () => {
    const { deployments, provider, serving } = await openDeploymentFixture();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    const view = await deployments.update('prod', { objective: null, late: 'shed' }, 'me');
    assert.deepEqual([view.status, view.generation, view.servedGeneration], ['InService', 2, 2]);
    assert.deepEqual([serving.served.get('prod')?.config.objective, serving.served.get('prod')?.config.late], [null, 'shed']);
    assert.deepEqual(provider.ids(), ['prod.alltraffic.1.0']);
    const same = await deployments.update('prod', { late: 'shed' }, 'me');
    assert.equal(same.generation, 2);
  });

  test('to more instances adds workers, to fewer drains workers', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider } = fixture;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    provider.isPrompt = false;
    await deployments.update('prod', { variants: [{ ...variant, instanceCount: 3 }] }, 'me');
    await settle();
    assert.equal(deployments.get('prod').status, 'Updating');
    const ids = ['prod.alltraffic.1.0', 'prod.alltraffic.2.0', 'prod.alltraffic.2.1'];
    assert.deepEqual(provider.ids(), ids);
    for (const id of ids) provider.ready(id);
    assert.equal((await deployments.waitFor('prod', 1000)).variants[0]?.ready, 3);
    await deployments.update('prod', { variants: [variant] }, 'me');
    await settle();
    assert.equal(provider.ids().length, 1);
  });

  test('that fails leaves the old version in service with the reason, until the next update', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider, serving } = fixture;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    provider.isPrompt = false;
    await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await settle();
    provider.crash('prod.alltraffic.2.0', { state: 'failed', reason: 'exit code 134: bad model' });
    const view = await deployments.waitFor('prod', 1000);
    assert.deepEqual([view.status, view.servedGeneration], ['InService', 1]);
    assert.match(view.reason ?? '', /the update failed.*bad model/);
    const back = await deployments.update('prod', { variants: [variant] }, 'me');
    assert.deepEqual([back.status, back.reason, back.servedGeneration], ['InService', null, 3]);
    await settle();
    assert.deepEqual([provider.ids(), [...serving.attached.keys()]], [['prod.alltraffic.1.0'], ['prod.alltraffic.1.0']]);
  });

  test('superseded by another one ends in the state requested last', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider, registry } = fixture;
    await registry.setApproval('digits', 3, 'Approved', { who: 'me' });
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    await Promise.all([2, 3].map((version) => deployments.update('prod', { variants: [{ ...variant, version }] }, 'me')));
    await until(fixture, 'prod', ({ status, servedGeneration }) => status === 'InService' && servedGeneration === 3);
    await settle();
    assert.deepEqual(provider.ids(), ['prod.alltraffic.3.0']);
    assert.equal(deployments.get('prod').config.variants[0]?.version, 3);
  });

  test('keeps a version that was rejected since, but cannot add one', async () => {
    const { deployments, registry } = await openDeploymentFixture();
    await deployments.create(prod, 'me');
    await registry.setApproval('digits', 1, 'Rejected', { who: 'me' });
    await deployments.update('prod', { late: 'shed' }, 'me');
    const second = { ...variant, name: 'b', version: 3 };
    await assert.rejects(deployments.update('prod', { variants: [variant, second] }, 'me'), refusal('wrong_state', /digits\/3/));
  });

  test('stops waiting for a drain after the timeout of the requests', async () => {
    const { deployments, provider, serving, clock } = await openDeploymentFixture();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    serving.holdsDrains = true;
    await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await settle();
    assert.deepEqual(provider.ids(), ['prod.alltraffic.1.0', 'prod.alltraffic.2.0']);
    clock.advance(60_000);
    await settle();
    assert.deepEqual(provider.ids(), ['prod.alltraffic.2.0']);
  });
});

describe('a worker that crashes', () => {
  test('is detached at once, and attached with its new link after its restart', async () => {
    const { deployments, provider, serving } = await openDeploymentFixture();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    const before = serving.attached.get('prod.alltraffic.1.0')?.link;
    provider.crash('prod.alltraffic.1.0');
    assert.equal(serving.attached.size, 0);
    assert.match(deployments.get('prod').reason ?? '', /being restarted/);
    provider.ready('prod.alltraffic.1.0');
    assert.notEqual(serving.attached.get('prod.alltraffic.1.0')?.link, before);
    assert.deepEqual([deployments.get('prod').status, deployments.get('prod').reason], ['InService', null]);
  });

  test('repeatedly makes the endpoint Failed, until it works again', async () => {
    const { deployments, provider, events } = await openDeploymentFixture();
    provider.isPrompt = false;
    await deployments.create(prod, 'me');
    await settle();
    provider.crash('prod.alltraffic.1.0', { state: 'failed', reason: 'exit code 1: no such operator' });
    const view = await deployments.waitFor('prod', 1000);
    assert.equal(view.status, 'Failed');
    assert.match(view.reason ?? '', /no such operator/);
    provider.ready('prod.alltraffic.1.0');
    await settle();
    assert.equal(deployments.get('prod').status, 'InService');
    const kinds = (await events.since(0, 50)).map(({ kind }) => kind);
    assert.deepEqual(kinds.slice(-4), ['endpoint.creating', 'endpoint.failed', 'endpoint.deployed', 'endpoint.in-service']);
  });

  test('during its drain does not delay other steps', async () => {
    const { deployments, provider, serving } = await openDeploymentFixture();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    serving.holdsDrains = true;
    await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await settle();
    provider.crash('prod.alltraffic.1.0');
    await settle();
    assert.deepEqual(provider.ids(), ['prod.alltraffic.2.0']);
  });
});
