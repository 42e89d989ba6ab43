import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DeploymentFixture, openDeploymentFixture, prod, refusal, settle, variant } from '../../../test/deployment-fixture.ts';
import type { EndpointView } from '../endpoint-view.ts';
import type { UpdateDetail } from './update-events.ts';

const versionOf = ({ config }: { config: typeof prod }) => config.variants[0]?.version;
const to = (version: number) => ({ variants: [{ ...variant, version }] });
const watched = { steps: [{ share: 1, bakeMs: 60_000 }], alarms: [], timeoutMs: null };
const rolledBack = ({ versions }: EndpointView) => versions.rolledBack.map(({ model }) => model);

/** `prod` serves digits/1; digits/3 is approved, too. */
async function serving() {
  const fixture = await openDeploymentFixture();
  await fixture.registry.setApproval('digits', 3, 'Approved', { who: 'me' });
  await fixture.deployments.create(prod, 'me');
  return { ...fixture, ...on(fixture) };
}

/** `prod` rolled digits/2 back and then serves another group; digits has no versions left, so it can be deleted. */
async function elsewhere() {
  const fixture = await serving();
  const { deployments, registry } = fixture;
  await settle();
  await fixture.deploy(2, watched);
  await fixture.back();
  const source = new TextEncoder().encode('other');
  await registry.register({ group: 'other', source, sourceName: 'm.onnx', who: 'me' });
  await registry.setApproval('other', 1, 'Approved', { who: 'me' });
  await deployments.update('prod', { variants: [{ ...variant, group: 'other' }] }, 'me');
  await settle();
  for (const version of [1, 2, 3]) await registry.deleteVersion('digits', version, 'me');
  return fixture;
}

function on(fixture: DeploymentFixture) {
  fixture.deployments.rollouts.follow({ get: () => null });
  const back = async () => {
    const view = await fixture.deployments.rollBack('prod', 'me');
    await settle();
    return view;
  };
  const deploy = async (version: number, guard: typeof watched | null = null) => {
    await fixture.deployments.update('prod', to(version), 'me', undefined, guard);
    await settle();
  };
  /** Advances the clock second by second, so that due timers run. */
  const wait = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      fixture.clock.advance(1000);
      await settle();
    }
  };
  return { back, deploy, wait };
}

describe('a rollback', () => {
  test('goes one step further back each time, and is rejected when no earlier version is left', async () => {
    const { deployments, back, deploy } = await serving();
    await settle();
    await deploy(2);
    await deployments.update('prod', { late: 'shed' }, 'me');
    await deploy(3);
    const view = await back();
    assert.deepEqual([versionOf(view), view.config.late], [2, 'shed'], 'its settings stay');
    assert.equal(versionOf(await back()), 1);
    await assert.rejects(
      back(),
      refusal('wrong_state', /^endpoint prod serves digits\/1, and no earlier .* remains: .* deploy the one you/),
    );
    assert.deepEqual(rolledBack(deployments.get('prod')), ['digits/3', 'digits/2']);
  });

  test('reports the settings that stay and differ from when that version last served, with both values', async () => {
    const first = await serving();
    const { deployments, events, back, deploy } = first;
    await settle();
    await deployments.update('prod', { timeoutMs: 30_000 }, 'me');
    await settle();
    await deployments.update('prod', { ...to(2), objective: { percentile: 95, latencyMs: 1 }, late: 'shed' }, 'me');
    await settle();
    await back();
    const stayed = async (at: DeploymentFixture['events']) =>
      ((await at.recent({ kinds: ['endpoint.rolled-back'], limit: 1 }))[0]?.detail as UpdateDetail | undefined)?.staying;
    assert.deepEqual(await stayed(events), [
      { setting: 'objective', from: 'p95<=50ms', to: 'p95<=1ms' },
      { setting: 'late', from: 'serve', to: 'shed' },
    ]);
    await deploy(3);
    const again = await first.restart();
    await settle();
    await on(again).back();
    assert.equal(await stayed(again.events), undefined, 'none if the update changed no settings');
  });

  test('to versions stored by an older server reports the variant settings only', async () => {
    const first = await serving();
    await settle();
    await first.deployments.update('prod', { variants: [{ ...variant, version: 2, instanceCount: 3 }], late: 'shed' }, 'me');
    await settle();
    const old = JSON.stringify({ kept: [[variant], [{ ...variant, version: 2, instanceCount: 3 }]], rolledBack: [] });
    await first.db.updateTable('endpoints').set({ version_history: old }).execute();
    const again = await first.restart();
    await settle();
    assert.equal(versionOf(await on(again).back()), 1);
    const [event] = await again.events.recent({ kinds: ['endpoint.rolled-back'], limit: 1 });
    const { instanceCount: from } = variant;
    assert.deepEqual((event?.detail as UpdateDetail | undefined)?.staying, [{ setting: 'AllTraffic.instance_count', from, to: 3 }]);
  });

  test('returns to the version served before, even if the current one is older', async () => {
    const { deployments, back, deploy } = await serving();
    await settle();
    await deploy(2);
    await deploy(1);
    assert.equal(versionOf(await back()), 2);
    assert.deepEqual(rolledBack(deployments.get('prod')), ['digits/1']);
    await assert.rejects(back(), refusal('wrong_state', /nothing to roll back to/));
  });

  test('works the same after a restart of the server', async () => {
    const first = await serving();
    await settle();
    await first.deploy(2);
    await first.deploy(3);
    await first.back();
    const fixture = await first.restart();
    await settle();
    assert.equal(versionOf(await on(fixture).back()), 1);
  });

  test('skips versions that were never in full service', async () => {
    const { provider, back, deploy } = await serving();
    await settle();
    provider.isPrompt = false;
    await deploy(2);
    await deploy(3);
    assert.equal(versionOf(await back()), 1);
  });

  test('skips versions that were deleted or are no longer approved', async () => {
    const { registry, back, deploy } = await serving();
    await settle();
    await deploy(2);
    await deploy(3);
    await registry.setApproval('digits', 2, 'Rejected', { who: 'me' });
    assert.equal(versionOf(await back()), 1);
    await deploy(3);
    await registry.deleteVersion('digits', 1, 'me');
    await assert.rejects(back(), refusal('wrong_state', /^endpoint prod serves digits\/3, .*digits\/1 is no longer there/));
  });

  for (const name of [variant.name, variant.name.toLowerCase()]) {
    test(`keeps the number of instances if the variant is now spelled ${name}`, async () => {
      const { deployments, back } = await serving();
      await settle();
      await deployments.update('prod', { variants: [{ ...variant, name, version: 2, instanceCount: variant.instanceCount + 1 }] }, 'me');
      const view = await back();
      assert.equal(versionOf(view), 1);
      assert.deepEqual([view.config.variants[0]?.name, view.config.variants[0]?.instanceCount], [name, variant.instanceCount + 1]);
    });
  }

  test('of an update in progress is recorded with its caller; the next rollback skips the rolled-back version', async () => {
    const { back, audit, deploy } = await serving();
    await settle();
    await deploy(2, watched);
    const view = await back();
    assert.deepEqual([versionOf(view), view.generation, view.rollout?.rolledBack], [1, 3, 'requested manually']);
    const [record] = await audit.list({ action: 'RollBackEndpoint', limit: 5 });
    assert.equal(record?.who, 'me');
    const { from, to: now, reason } = (record?.detail ?? {}) as Partial<UpdateDetail>;
    assert.deepEqual([from, now, reason], [['digits/2'], ['digits/1'], 'requested manually']);
    await assert.rejects(back(), refusal('wrong_state', /nothing to roll back to/));
  });

  test('to the previous version is recorded in the audit log and as an event, with both versions and the reason', async () => {
    const { audit, events, back, deploy } = await serving();
    await settle();
    await deploy(2);
    const { versions } = await back();
    const [record] = await audit.list({ limit: 1 });
    const [event] = await events.recent({ kinds: ['endpoint.rolled-back'], limit: 1 });
    assert.deepEqual([record?.action, record?.who, record?.outcome, event?.subject], ['RollBackEndpoint', 'me', 'ok', 'prod']);
    for (const reported of [record, event]) {
      const { generation, from, to: now, reason } = (reported?.detail ?? {}) as Partial<UpdateDetail>;
      assert.deepEqual([generation, from, now, reason], [3, ['digits/2'], ['digits/1'], 'requested manually']);
    }
    assert.equal(((event?.detail ?? {}) as Partial<UpdateDetail>).who, 'me');
    assert.equal(versions.rolledBack[0]?.reason, 'requested manually', 'both kinds of rollback have the same reason');
  });
});

describe('a version that was rolled back', () => {
  test('is still listed after later changes, an unload and a restart', async () => {
    const first = await serving();
    await settle();
    await first.deploy(3, watched);
    await first.back();
    await first.deployments.update('prod', { late: 'shed' }, 'me');
    await first.deploy(2);
    await first.deployments.unload('prod', 'me');
    await settle();
    const { deployments } = await first.restart();
    assert.deepEqual(rolledBack(deployments.get('prod')), ['digits/3']);
    assert.equal(deployments.get('prod').versions.rolledBack[0]?.reason, 'requested manually');
  });

  test('is read from the rollout if an older server stored it there', async () => {
    const first = await serving();
    await settle();
    await first.deploy(3, watched);
    const { rollout } = await first.back();
    const old = { version_history: null, rollout: JSON.stringify({ ...rollout, tried: ['digits/3'] }) };
    await first.db.updateTable('endpoints').set(old).execute();
    const { deployments } = await first.restart();
    await settle();
    assert.deepEqual(rolledBack(deployments.get('prod')), ['digits/3']);
  });

  test('is no longer listed once it is deployed again and its update completes', async () => {
    const { deployments, back, deploy, wait } = await serving();
    await settle();
    await deploy(2, watched);
    await back();
    await deploy(2, watched);
    await wait(30);
    assert.deepEqual(rolledBack(deployments.get('prod')), ['digits/2'], 'it is still monitored');
    await wait(35);
    assert.deepEqual(rolledBack(deployments.get('prod')), []);
    assert.equal(versionOf(await back()), 1);
  });

  test('is removed with its group, like the retained configs: a later group of the same name has other versions', async () => {
    const fixture = await elsewhere();
    const { deployments, registry } = fixture;
    assert.deepEqual(rolledBack(deployments.get('prod')), ['digits/2'], 'the group is still there');
    await registry.deleteGroup('Digits', 'me');
    for (const text of ['new', 'newer']) {
      const version = new TextEncoder().encode(text);
      await registry.register({ group: 'digits', source: version, sourceName: 'm.onnx', who: 'me' });
    }
    await registry.setApproval('digits', 1, 'Approved', { who: 'me' });
    assert.deepEqual(rolledBack(deployments.get('prod')), []);
    const again = await fixture.restart();
    await settle();
    assert.deepEqual(rolledBack(again.deployments.get('prod')), []);
    await assert.rejects(on(again).back(), refusal('wrong_state', /serves other\/1, .* nothing to roll back to/));
  });

  test('is still listed if the deletion of its group fails', async (context) => {
    const fixture = await elsewhere();
    const { deployments, registry } = fixture;
    context.mock.method(fixture.audit, 'record', () => Promise.reject(new Error('the disk is full')));
    await assert.rejects(registry.deleteGroup('digits', 'me'), /the disk is full/);
    context.mock.restoreAll();
    assert.deepEqual(rolledBack(deployments.get('prod')), ['digits/2']);
    const again = await fixture.restart();
    assert.deepEqual(rolledBack(again.deployments.get('prod')), ['digits/2'], 'also in the database');
  });

  test('is removed with its endpoint', async () => {
    const { deployments, back, deploy } = await serving();
    await settle();
    await deploy(2, watched);
    await back();
    await deployments.remove('prod', 'me');
    await settle();
    await deployments.create(prod, 'me');
    assert.deepEqual(rolledBack(deployments.get('prod')), []);
  });
});
