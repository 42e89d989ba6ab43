import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type House, openHouse, prod, settle, until, variant } from '../../test/deployment-house.ts';
import { eventKinds } from './status.ts';

const to = (version: number) => ({ variants: [{ ...variant, version }] });

/** The changes of its status that were told, the first first. */
async function told({ events }: House): Promise<string[]> {
  const found = await events.recent({ subjects: ['prod'], kinds: Object.values(eventKinds), limit: 50 });
  return found.toReversed().map(({ kind, detail }) => {
    const { generation } = detail as { generation?: number };
    return `${kind.slice('endpoint.'.length)} ${generation}`;
  });
}

async function serving(): Promise<House> {
  const house = await openHouse();
  await house.deployments.create(prod, 'me');
  await settle();
  assert.deepEqual(await told(house), ['creating 1', 'in-service 1']);
  return house;
}

describe('a restart of the server', () => {
  test('is no change of an endpoint that comes up as it was, however often', async () => {
    const first = await serving();
    const second = await first.restart();
    await second.deployments.waitFor('prod', 1000);
    const third = await second.restart();
    await third.deployments.waitFor('prod', 1000);
    await settle();
    assert.deepEqual(await told(third), ['creating 1', 'in-service 1']);
  });

  test('nor of one that has had other settings since, which nothing was started for', async () => {
    const first = await serving();
    await first.deployments.update('prod', { late: 'shed' }, 'me');
    await settle();
    const again = await first.restart();
    await settle();
    assert.equal(again.deployments.get('prod').status, 'InService');
    assert.deepEqual(await told(again), ['creating 1', 'in-service 1']);
  });

  test('is seen by who waits for the endpoint', async () => {
    const first = await serving();
    await first.deployments.close();
    const again = first.unopened();
    const seen: string[] = [];
    again.deployments.onChange(({ status }) => seen.push(status));
    await again.deployments.open();
    assert.equal((await again.deployments.waitFor('prod', 1000)).status, 'InService');
    assert.deepEqual(seen, ['Creating', 'InService']);
  });

  test('tells what became of one that was being created or updated', async () => {
    const first = await openHouse();
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
    assert.deepEqual(await told(third), ['creating 1', 'in-service 1', 'updating 2', 'in-service 2']);
  });

  test('tells of an update that the server before could tell nothing of any more', async () => {
    const first = await serving();
    const row = first.db.updateTable('endpoints').set({ generation: 2, config: JSON.stringify({ ...prod, ...to(2) }) });
    await row.execute(); // written, and the server killed before it did anything
    const again = await first.restart();
    await settle();
    assert.deepEqual(await told(again), ['creating 1', 'in-service 1', 'in-service 2']);
  });

  test('tells of one that comes up failed, and then is out of trouble, but not twice that it failed', async () => {
    const first = await serving();
    await first.deployments.close();
    const fail = async (house: House) => {
      house.provider.isPrompt = false;
      await house.deployments.open();
      await settle();
      house.provider.crash('prod.alltraffic.1.0', { state: 'failed', reason: 'exit code 1' });
      await until(house, 'prod', ({ status }) => status === 'Failed');
      await settle();
    };
    const second = first.unopened();
    await fail(second);
    assert.deepEqual(await told(second), ['creating 1', 'in-service 1', 'failed 1']);
    await second.deployments.close();
    const third = second.unopened();
    await fail(third);
    assert.deepEqual(await told(third), ['creating 1', 'in-service 1', 'failed 1']);
    third.provider.ready('prod.alltraffic.1.0');
    await settle();
    assert.deepEqual(await told(third), ['creating 1', 'in-service 1', 'failed 1', 'in-service 1']);
  });

  test('tells nothing of what stays unloaded, and all that comes after it', async () => {
    const first = await serving();
    await first.deployments.unload('prod', 'me');
    await settle();
    const again = await first.restart();
    await settle();
    assert.deepEqual(await told(again), ['creating 1', 'in-service 1', 'updating 1', 'unloaded 1']);
    await again.deployments.load('prod', 'me');
    await settle();
    assert.deepEqual((await told(again)).slice(4), ['updating 1', 'in-service 1']);
  });

  test('tells once more of an endpoint of a server that did not keep what it told', async () => {
    const first = await serving();
    await first.db.updateTable('endpoints').set({ told_status: null }).execute();
    const second = await first.restart();
    await settle();
    const third = await second.restart();
    await settle();
    assert.deepEqual((await told(third)).slice(2), ['creating 1', 'in-service 1']);
  });
});
