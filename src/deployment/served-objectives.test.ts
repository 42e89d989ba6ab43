import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type House, openHouse, prod, settle, variant } from '../../test/deployment-house.ts';

const strict = { objective: { percentile: 95, latencyMs: 1 } };
const lax = { objective: { percentile: 95, latencyMs: 50 } };

/** With `prod` in service, and an objective of 50 ms. */
async function serving(): Promise<House & { readonly madeMs: number; readonly sinceMs: () => number }> {
  const house = await openHouse();
  const madeMs = house.clock.wallMs();
  await house.deployments.create({ ...prod, ...lax }, 'me');
  await house.deployments.waitFor('prod', 1000);
  await settle();
  return { ...house, madeMs, sinceMs: () => house.deployments.get('prod').objectiveSinceMs };
}

test('an endpoint has its objective since it was made, or since it is served with another, also after a restart', async () => {
  const house = await serving();
  const { clock, deployments, sinceMs, madeMs } = house;
  clock.advance(10_000);
  await deployments.update('prod', { late: 'shed' }, 'me');
  await settle();
  assert.equal(sinceMs(), madeMs);
  await deployments.update('prod', strict, 'me');
  await settle();
  const changedMs = clock.wallMs();
  assert.equal(sinceMs(), changedMs);
  clock.advance(10_000);
  const again = await house.restart();
  assert.equal(again.deployments.get('prod').objectiveSinceMs, changedMs);
  await settle();
  assert.equal(again.deployments.get('prod').objectiveSinceMs, changedMs);
});

test('one that comes with workers which are not there yet judges nothing until they are', async () => {
  const { clock, provider, deployments, sinceMs } = await serving();
  provider.isPrompt = false;
  await deployments.update('prod', { ...strict, variants: [{ ...variant, version: 2 }] }, 'me');
  await settle();
  assert.equal(sinceMs(), Number.POSITIVE_INFINITY);
  clock.advance(10_000);
  provider.ready('prod.alltraffic.2.0');
  await settle();
  assert.equal(sinceMs(), clock.wallMs());
});

test('of a watched update that is taken back the objective of before counts from then on', async () => {
  const { clock, deployments, sinceMs } = await serving();
  const guard = { steps: [{ share: 1, bakeMs: 60_000 }], alarms: [], timeoutMs: null };
  deployments.rollouts.follow({ get: () => null });
  await deployments.update('prod', strict, 'me', undefined, guard);
  await settle();
  clock.advance(5000);
  await settle();
  await deployments.rollBack('prod', 'me');
  await settle();
  assert.deepEqual([deployments.get('prod').config.objective, sinceMs()], [lax.objective, clock.wallMs()]);
});

test('one of the same name that is made later begins anew', async () => {
  const { clock, deployments, sinceMs } = await serving();
  await deployments.update('prod', strict, 'me');
  await deployments.remove('prod', 'me');
  await settle();
  clock.advance(10_000);
  await deployments.create({ ...prod, ...lax }, 'me');
  await settle();
  assert.equal(sinceMs(), clock.wallMs());
});

test('one of a server that did not keep it is taken to have had its objective since it was made', async () => {
  const house = await serving();
  const { clock, db, madeMs } = house;
  await db.updateTable('endpoints').set({ served_objective: null }).execute();
  clock.advance(10_000);
  const again = await house.restart();
  await settle();
  assert.equal(again.deployments.get('prod').objectiveSinceMs, madeMs);
});
