import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeploymentFixture, openDeploymentFixture, prod, settle, variant } from '../../../test/deployment-fixture.ts';

const strict = { objective: { percentile: 95, latencyMs: 1 } };
const lax = { objective: { percentile: 95, latencyMs: 50 } };

/** `prod` is in service with an objective of 50 ms. */
async function serving(): Promise<DeploymentFixture & { readonly madeMs: number; readonly sinceMs: () => number }> {
  const fixture = await openDeploymentFixture();
  const madeMs = fixture.clock.wallMs();
  await fixture.deployments.create({ ...prod, ...lax }, 'me');
  await fixture.deployments.waitFor('prod', 1000);
  await settle();
  return { ...fixture, madeMs, sinceMs: () => fixture.deployments.get('prod').objectiveSinceMs };
}

test('an objective applies from the creation of the endpoint, or from when it is served with a new one, also after a restart', async () => {
  const fixture = await serving();
  const { clock, deployments, sinceMs, madeMs } = fixture;
  clock.advance(10_000);
  await deployments.update('prod', { late: 'shed' }, 'me');
  await settle();
  assert.equal(sinceMs(), madeMs);
  await deployments.update('prod', strict, 'me');
  await settle();
  const changedMs = clock.wallMs();
  assert.equal(sinceMs(), changedMs);
  clock.advance(10_000);
  const again = await fixture.restart();
  assert.equal(again.deployments.get('prod').objectiveSinceMs, changedMs);
  await settle();
  assert.equal(again.deployments.get('prod').objectiveSinceMs, changedMs);
});

test('a new objective is not applied until its workers are ready', async () => {
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

test('after a monitored update is rolled back, the previous objective applies again', async () => {
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

test('a later endpoint of the same name starts from scratch', async () => {
  const { clock, deployments, sinceMs } = await serving();
  await deployments.update('prod', strict, 'me');
  await deployments.remove('prod', 'me');
  await settle();
  clock.advance(10_000);
  await deployments.create({ ...prod, ...lax }, 'me');
  await settle();
  assert.equal(sinceMs(), clock.wallMs());
});

test('if an older server did not store it, the objective applies from the creation of the endpoint', async () => {
  const fixture = await serving();
  const { clock, db, madeMs } = fixture;
  await db.updateTable('endpoints').set({ served_objective: null }).execute();
  clock.advance(10_000);
  const again = await fixture.restart();
  await settle();
  assert.equal(again.deployments.get('prod').objectiveSinceMs, madeMs);
});
