import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openDeploymentFixture, prod, refusal, settle, until, untilDeleted, variant } from '../../../test/deployment-fixture.ts';

describe('deleting and unloading', () => {
  test('deletes an endpoint in any state', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider } = fixture;
    const remove = async () => {
      const end = untilDeleted(fixture);
      await deployments.remove('prod', 'me');
      await end;
      assert.deepEqual([provider.ids(), deployments.list()], [[], []]);
    };
    provider.isPrompt = false;
    await deployments.create(prod, 'me');
    await remove(); // Creating
    await deployments.create(prod, 'me');
    await settle();
    provider.crash('prod.alltraffic.1.0', { state: 'failed', reason: 'exit code 1' });
    await remove(); // Failed
    provider.isPrompt = true;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    provider.isPrompt = false;
    await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await remove(); // Updating
    provider.isPrompt = true;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    await deployments.unload('prod', 'me');
    await remove(); // Unloaded, or about to be
    await assert.rejects(deployments.remove('prod', 'me'), refusal('not_found', /prod/));
  });

  test('rejects changes of an endpoint that is being deleted', async () => {
    const { deployments, serving } = await openDeploymentFixture();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    serving.holdsDrains = true;
    await deployments.remove('prod', 'me');
    await deployments.remove('prod', 'me');
    assert.equal(deployments.get('prod').status, 'Deleting');
    await assert.rejects(deployments.update('prod', { late: 'shed' }, 'me'), refusal('wrong_state', /being deleted/));
    await assert.rejects(deployments.load('prod', 'me'), refusal('wrong_state', /being deleted/));
    await assert.rejects(deployments.create(prod, 'me'), refusal('already_exists', /still being deleted/));
    await settle();
    for (const release of serving.held.values()) release();
  });

  test('unloads and loads', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider, serving } = fixture;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    await deployments.unload('prod', 'me');
    await until(fixture, 'prod', ({ status }) => status === 'Unloaded');
    assert.deepEqual([provider.ids(), serving.attached.size], [[], 0]);
    assert.equal((await deployments.waitFor('prod', 1000)).status, 'Unloaded');
    await deployments.load('prod', 'me');
    const view = await until(fixture, 'prod', ({ status }) => status === 'InService');
    assert.equal(view.generation, 1);
    assert.equal(serving.notes.at(-1), 'serve prod digits/1');
  });

  test('reloads a loaded endpoint: replaces its workers one by one, each after a new one is ready', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider, serving } = fixture;
    await deployments.create({ ...prod, variants: [{ ...variant, instanceCount: 2 }] }, 'me');
    await until(fixture, 'prod', ({ status, variants }) => status === 'InService' && variants[0]?.ready === 2);
    serving.notes.length = 0;
    const reloading = await deployments.load('prod', 'me');
    assert.equal(reloading.status, 'Updating');
    await until(fixture, 'prod', ({ status }) => status === 'InService');
    await settle();
    const [first, second] = ['prod.alltraffic.1.0', 'prod.alltraffic.1.1'];
    const old = serving.notes.filter((note) => note.startsWith('drain'));
    assert.deepEqual(old.toSorted(), [`drain ${first}`, `drain ${second}`]);
    assert.equal(serving.notes.indexOf(old[0] as string) > serving.notes.findIndex((note) => note.startsWith('attach')), true);
    assert.equal(serving.attached.size, 2);
    assert.equal(provider.ids().length, 2);
  });

  test('rejects the deletion of a version that an endpoint uses, or whose worker still runs', async () => {
    const { deployments, registry, serving } = await openDeploymentFixture();
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    await assert.rejects(registry.deleteVersion('digits', 1, 'me'), refusal('wrong_state', /used by prod/));
    serving.holdsDrains = true;
    await deployments.update('prod', { variants: [{ ...variant, version: 2 }] }, 'me');
    await settle();
    await assert.rejects(registry.deleteVersion('digits', 1, 'me'), refusal('wrong_state', /used by prod/));
    for (const release of serving.held.values()) release();
    await settle();
    await registry.deleteVersion('digits', 1, 'me');
  });
});

describe('after a restart', () => {
  test('endpoints resume automatically', async () => {
    const first = await openDeploymentFixture();
    await first.deployments.create(prod, 'me');
    await first.deployments.create({ ...prod, name: 'other', variants: [{ ...variant, version: 2, instanceCount: 2 }] }, 'me');
    await first.deployments.create({ ...prod, name: 'resting' }, 'me');
    await first.deployments.unload('resting', 'me');
    const second = await first.restart();
    await second.deployments.waitFor('prod', 1000);
    await until(second, 'other', ({ variants }) => variants[0]?.ready === 2);
    assert.equal((await second.deployments.waitFor('resting', 1000)).status, 'Unloaded');
    assert.deepEqual(second.provider.ids(), ['other.alltraffic.1.0', 'other.alltraffic.1.1', 'prod.alltraffic.1.0']);
    assert.deepEqual(
      second.deployments.list().map(({ config }) => config.name),
      ['other', 'prod', 'resting'],
    );
  });

  test('a deletion in progress is completed', async () => {
    const first = await openDeploymentFixture();
    await first.deployments.create(prod, 'me');
    await first.deployments.waitFor('prod', 1000);
    first.serving.holdsDrains = true;
    await first.deployments.remove('prod', 'me');
    const second = await first.restart();
    await settle();
    assert.deepEqual(second.deployments.list(), []);
  });
});
