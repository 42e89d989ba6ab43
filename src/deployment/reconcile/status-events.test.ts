import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DeploymentFixture, openDeploymentFixture, prod, settle, until, variant } from '../../../test/deployment-fixture.ts';
import { statusEventKinds } from './status.ts';

const to = (version: number) => ({ variants: [{ ...variant, version }] });

/** The status events of `prod`, oldest first. */
async function reported({ events }: DeploymentFixture): Promise<string[]> {
  const found = await events.recent({ subjects: ['prod'], kinds: Object.values(statusEventKinds), limit: 50 });
  return found.toReversed().map(({ kind, detail }) => {
    const { generation } = detail as { generation?: number };
    return `${kind.slice('endpoint.'.length)} ${generation}`;
  });
}

async function serving(): Promise<DeploymentFixture> {
  const fixture = await openDeploymentFixture();
  await fixture.deployments.create(prod, 'me');
  await settle();
  assert.deepEqual(await reported(fixture), ['creating 1', 'in-service 1']);
  return fixture;
}

describe('a restart of the server', () => {
  test('publishes nothing for an endpoint that comes up unchanged, however often', async () => {
    const first = await serving();
    const second = await first.restart();
    await second.deployments.waitFor('prod', 1000);
    const third = await second.restart();
    await third.deployments.waitFor('prod', 1000);
    await settle();
    assert.deepEqual(await reported(third), ['creating 1', 'in-service 1']);
  });

  test('publishes nothing for an endpoint whose last change was of settings only', async () => {
    const first = await serving();
    await first.deployments.update('prod', { late: 'shed' }, 'me');
    await settle();
    const again = await first.restart();
    await settle();
    assert.equal(again.deployments.get('prod').status, 'InService');
    assert.deepEqual(await reported(again), ['creating 1', 'in-service 1']);
  });

  test('ends the wait for an endpoint once it serves again', async () => {
    const first = await serving();
    await first.deployments.close();
    const again = first.unopened();
    const seen: string[] = [];
    again.deployments.onChange(({ status }) => seen.push(status));
    await again.deployments.open();
    assert.equal((await again.deployments.waitFor('prod', 1000)).status, 'InService');
    assert.deepEqual(seen, ['Creating', 'InService']);
  });

  test('publishes the outcome for an endpoint that was being created or updated', async () => {
    const first = await openDeploymentFixture();
    first.provider.isPrompt = false;
    await first.deployments.create(prod, 'me');
    await settle();
    const second = await first.restart();
    await settle();
    second.provider.isPrompt = false;
    await second.deployments.update('prod', to(2), 'me');
    await settle();
    const third = await second.restart();
    await settle();
    assert.deepEqual(await reported(third), ['creating 1', 'in-service 1', 'updating 2', 'in-service 2']);
  });

  test('publishes the outcome of an update that the previous server did not report', async () => {
    const first = await serving();
    const row = first.db.updateTable('endpoints').set({ generation: 2, config: JSON.stringify({ ...prod, ...to(2) }) });
    await row.execute(); // as if the server was killed right after the commit
    const again = await first.restart();
    await settle();
    assert.deepEqual(await reported(again), ['creating 1', 'in-service 1', 'in-service 2']);
  });

  test('publishes a failure once, and the recovery after it', async () => {
    const first = await serving();
    await first.deployments.close();
    const fail = async (fixture: DeploymentFixture) => {
      fixture.provider.isPrompt = false;
      await fixture.deployments.open();
      await settle();
      fixture.provider.crash('prod.alltraffic.1.0', { state: 'failed', reason: 'exit code 1' });
      await until(fixture, 'prod', ({ status }) => status === 'Failed');
      await settle();
    };
    const second = first.unopened();
    await fail(second);
    assert.deepEqual(await reported(second), ['creating 1', 'in-service 1', 'failed 1']);
    await second.deployments.close();
    const third = second.unopened();
    await fail(third);
    assert.deepEqual(await reported(third), ['creating 1', 'in-service 1', 'failed 1']);
    third.provider.ready('prod.alltraffic.1.0');
    await settle();
    assert.deepEqual(await reported(third), ['creating 1', 'in-service 1', 'failed 1', 'in-service 1']);
  });

  test('publishes nothing for an unloaded endpoint until it is loaded', async () => {
    const first = await serving();
    await first.deployments.unload('prod', 'me');
    await settle();
    const again = await first.restart();
    await settle();
    assert.deepEqual(await reported(again), ['creating 1', 'in-service 1', 'updating 1', 'unloaded 1']);
    await again.deployments.load('prod', 'me');
    await settle();
    assert.deepEqual((await reported(again)).slice(4), ['updating 1', 'in-service 1']);
  });

  test('publishes the status once more if an older server did not store it', async () => {
    const first = await serving();
    await first.db.updateTable('endpoints').set({ told_status: null }).execute();
    const second = await first.restart();
    await settle();
    const third = await second.restart();
    await settle();
    assert.deepEqual((await reported(third)).slice(2), ['creating 1', 'in-service 1']);
  });
});
