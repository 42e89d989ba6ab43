import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type House, openHouse, prod, settle, variant } from '../../test/deployment-house.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import { type UpdateDetail, updateKinds } from './update-events.ts';

const to = (version: number) => ({ variants: [{ ...variant, version }] });
const watched = { steps: [{ share: 1, bakeMs: 60_000 }], alarms: [], timeoutMs: null };

async function told({ events }: House) {
  const found = await events.recent({ subjects: ['prod'], kinds: Object.keys(updateKinds), limit: 50 });
  return found.toReversed().map(({ kind, detail }) => {
    const { generation, from, to: now, who } = detail as UpdateDetail;
    return `${kind.slice('endpoint.'.length)} ${generation}: ${from?.join()} to ${now?.join()}${who === undefined ? '' : ` by ${who}`}`;
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
    assert.deepEqual(await told(again), ['deployed 1:  to digits/1 by me']);
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
