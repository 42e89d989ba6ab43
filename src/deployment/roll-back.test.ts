import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openHouse, prod, refusal, settle, variant } from '../../test/deployment-house.ts';
import { rollBack } from './roll-back.ts';

const versionOf = ({ config }: { config: typeof prod }) => config.variants[0]?.version;

async function serving() {
  const house = await openHouse();
  house.deployments.rollouts.follow({ get: () => null });
  await house.deployments.create(prod, 'me');
  await house.deployments.waitFor('prod', 1000);
  const back = async () => {
    const view = await rollBack(house.deployments, house.audit, 'prod', 'me');
    await settle();
    return view;
  };
  return { ...house, back };
}
const toTwo = { variants: [{ ...variant, version: 2 }] };

test('a rollback goes to the version before, and the next one to the one that served before it', async () => {
  const { deployments, back } = await serving();
  await assert.rejects(back(), refusal('wrong_state', /nothing before digits\/1/));
  await deployments.update('prod', toTwo, 'me');
  await deployments.update('prod', { late: 'shed' }, 'me');
  const view = await back();
  assert.deepEqual([versionOf(view), view.config.late], [1, 'shed'], 'its settings stay');
  assert.equal(versionOf(await back()), 2);
});

test('how many instances there are is not gone back on: the load is of today', async () => {
  const { deployments, back } = await serving();
  await deployments.update('prod', { variants: [{ ...variant, version: 2, instanceCount: variant.instanceCount + 1 }] }, 'me');
  const view = await back();
  assert.equal(versionOf(view), 1);
  assert.equal(view.config.variants[0]?.instanceCount, variant.instanceCount + 1);
});

test('a rollback takes an update under way back, in the name of who asked; the next one passes over what was taken back', async () => {
  const { deployments, back, audit } = await serving();
  const guard = { steps: [{ share: 1, bakeMs: 60_000 }], alarms: [], timeoutMs: null };
  await deployments.update('prod', toTwo, 'me', undefined, guard);
  await settle();
  const view = await back();
  assert.deepEqual([versionOf(view), view.generation, view.rollout?.takenBack], [1, 3, 'asked for by hand']);
  const [record] = await audit.list({ action: 'RollBackEndpoint', limit: 5 });
  assert.equal(record?.who, 'me');
  await assert.rejects(back(), refusal('wrong_state', /nothing to go back to/));
});
