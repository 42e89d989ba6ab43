import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type House, openHouse, prod, refusal, settle, variant } from '../../test/deployment-house.ts';
import type { EndpointView } from './endpoint-view.ts';
import type { UpdateDetail } from './update-events.ts';

const versionOf = ({ config }: { config: typeof prod }) => config.variants[0]?.version;
const to = (version: number) => ({ variants: [{ ...variant, version }] });
const watched = { steps: [{ share: 1, bakeMs: 60_000 }], alarms: [], timeoutMs: null };
const takenBack = ({ versions }: EndpointView) => versions.takenBack.map(({ model }) => model);

/** With `prod` in service by digits/1; digits/3 may be deployed as well. */
async function serving() {
  const house = await openHouse();
  await house.registry.setApproval('digits', 3, 'Approved', { who: 'me' });
  await house.deployments.create(prod, 'me');
  return { ...house, ...on(house) };
}

/** `prod` took digits/2 back and is in service by another group; digits is empty, and may be deleted. */
async function elsewhere() {
  const house = await serving();
  const { deployments, registry } = house;
  await settle();
  await house.deploy(2, watched);
  await house.back();
  const source = new TextEncoder().encode('other');
  await registry.register({ group: 'other', source, sourceName: 'm.onnx', who: 'me' });
  await registry.setApproval('other', 1, 'Approved', { who: 'me' });
  await deployments.update('prod', { variants: [{ ...variant, group: 'other' }] }, 'me');
  await settle();
  for (const version of [1, 2, 3]) await registry.deleteVersion('digits', version, 'me');
  return house;
}

function on(house: House) {
  house.deployments.rollouts.follow({ get: () => null });
  const back = async () => {
    const view = await house.deployments.rollBack('prod', 'me');
    await settle();
    return view;
  };
  const deploy = async (version: number, guard: typeof watched | null = null) => {
    await house.deployments.update('prod', to(version), 'me', undefined, guard);
    await settle();
  };
  /** Time goes by, and what falls due in it is done. */
  const wait = async (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      house.clock.advance(1000);
      await settle();
    }
  };
  return { back, deploy, wait };
}

describe('a rollback', () => {
  test('goes further back each time through what was in full service, and says when nothing is left', async () => {
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
      refusal('wrong_state', /^endpoint prod serves digits\/1, and no version .* before it .* deploy the one you/),
    );
    assert.deepEqual(takenBack(deployments.get('prod')), ['digits/3', 'digits/2']);
  });

  test('says which settings stay that are others than when that version last served, from what to what', async () => {
    const first = await serving();
    const { deployments, events, back, deploy } = first;
    await settle();
    await deployments.update('prod', { timeoutMs: 30_000 }, 'me');
    await settle();
    await deployments.update('prod', { ...to(2), objective: { percentile: 95, latencyMs: 1 }, late: 'shed' }, 'me');
    await settle();
    await back();
    const stayed = async (at: House['events']) =>
      ((await at.recent({ kinds: ['endpoint.rolled-back'], limit: 1 }))[0]?.detail as UpdateDetail | undefined)?.staying;
    assert.deepEqual(await stayed(events), [
      { setting: 'objective', from: 'p95<=50ms', to: 'p95<=1ms' },
      { setting: 'late', from: 'serve', to: 'shed' },
    ]);
    await deploy(3);
    const again = await first.restart();
    await settle();
    await on(again).back();
    assert.equal(await stayed(again.events), undefined, 'none where none came with the version');
  });

  test('of versions that an older server kept says what it knows: the settings of their variants', async () => {
    const first = await serving();
    await settle();
    await first.deployments.update('prod', { variants: [{ ...variant, version: 2, instanceCount: 3 }], late: 'shed' }, 'me');
    await settle();
    const old = JSON.stringify({ kept: [[variant], [{ ...variant, version: 2, instanceCount: 3 }]], takenBack: [] });
    await first.db.updateTable('endpoints').set({ version_history: old }).execute();
    const again = await first.restart();
    await settle();
    assert.equal(versionOf(await on(again).back()), 1);
    const [event] = await again.events.recent({ kinds: ['endpoint.rolled-back'], limit: 1 });
    const { instanceCount: from } = variant;
    assert.deepEqual((event?.detail as UpdateDetail | undefined)?.staying, [{ setting: 'AllTraffic.instance_count', from, to: 3 }]);
  });

  test('goes to what served before, also where that was left by deploying an older one by hand', async () => {
    const { deployments, back, deploy } = await serving();
    await settle();
    await deploy(2);
    await deploy(1);
    assert.equal(versionOf(await back()), 2);
    assert.deepEqual(takenBack(deployments.get('prod')), ['digits/1']);
    await assert.rejects(back(), refusal('wrong_state', /nothing to go back to/));
  });

  test('goes just so after a restart of the server', async () => {
    const first = await serving();
    await settle();
    await first.deploy(2);
    await first.deploy(3);
    await first.back();
    const house = await first.restart();
    await settle();
    assert.equal(versionOf(await on(house).back()), 1);
  });

  test('passes over what never came into service', async () => {
    const { provider, back, deploy } = await serving();
    await settle();
    provider.isPrompt = false;
    await deploy(2);
    await deploy(3);
    assert.equal(versionOf(await back()), 1);
  });

  test('passes over what was deleted since, or is approved no more', async () => {
    const { registry, back, deploy } = await serving();
    await settle();
    await deploy(2);
    await deploy(3);
    await registry.setApproval('digits', 2, 'Rejected', { who: 'me' });
    assert.equal(versionOf(await back()), 1);
    await deploy(3);
    await registry.deleteVersion('digits', 1, 'me');
    await assert.rejects(back(), refusal('wrong_state', /^endpoint prod serves digits\/3, .*digits\/1 is not there any more/));
  });

  for (const name of [variant.name, variant.name.toLowerCase()]) {
    test(`leaves the number of instances, also of one that is ${name} by now: the load is of today`, async () => {
      const { deployments, back } = await serving();
      await settle();
      await deployments.update('prod', { variants: [{ ...variant, name, version: 2, instanceCount: variant.instanceCount + 1 }] }, 'me');
      const view = await back();
      assert.equal(versionOf(view), 1);
      assert.deepEqual([view.config.variants[0]?.name, view.config.variants[0]?.instanceCount], [name, variant.instanceCount + 1]);
    });
  }

  test('takes an update under way back, in the name of who asked; the next one passes over what was taken back', async () => {
    const { back, audit, deploy } = await serving();
    await settle();
    await deploy(2, watched);
    const view = await back();
    assert.deepEqual([versionOf(view), view.generation, view.rollout?.takenBack], [1, 3, 'asked for by hand']);
    const [record] = await audit.list({ action: 'RollBackEndpoint', limit: 5 });
    assert.equal(record?.who, 'me');
    const { from, to: now, reason } = (record?.detail ?? {}) as Partial<UpdateDetail>;
    assert.deepEqual([from, now, reason], [['digits/2'], ['digits/1'], 'asked for by hand']);
    await assert.rejects(back(), refusal('wrong_state', /nothing to go back to/));
  });

  test('to the version before is in the audit and told as what it is: from what, to what, why', async () => {
    const { audit, events, back, deploy } = await serving();
    await settle();
    await deploy(2);
    const { versions } = await back();
    const [record] = await audit.list({ limit: 1 });
    const [event] = await events.recent({ kinds: ['endpoint.rolled-back'], limit: 1 });
    assert.deepEqual([record?.action, record?.who, record?.outcome, event?.subject], ['RollBackEndpoint', 'me', 'ok', 'prod']);
    for (const told of [record, event]) {
      const { generation, from, to: now, reason } = (told?.detail ?? {}) as Partial<UpdateDetail>;
      assert.deepEqual([generation, from, now, reason], [3, ['digits/2'], ['digits/1'], 'asked for by hand']);
    }
    assert.equal(((event?.detail ?? {}) as Partial<UpdateDetail>).who, 'me');
    assert.equal(versions.takenBack[0]?.reason, 'asked for by hand', 'one deed has one name');
  });
});

describe('a version that was taken back', () => {
  test('is remembered through later changes, an unload and a restart', async () => {
    const first = await serving();
    await settle();
    await first.deploy(3, watched);
    await first.back();
    await first.deployments.update('prod', { late: 'shed' }, 'me');
    await first.deploy(2);
    await first.deployments.unload('prod', 'me');
    await settle();
    const { deployments } = await first.restart();
    assert.deepEqual(takenBack(deployments.get('prod')), ['digits/3']);
    assert.equal(deployments.get('prod').versions.takenBack[0]?.reason, 'asked for by hand');
  });

  test('is known of an older server too, which kept it with the update that brought it', async () => {
    const first = await serving();
    await settle();
    await first.deploy(3, watched);
    const { rollout } = await first.back();
    const old = { version_history: null, rollout: JSON.stringify({ ...rollout, tried: ['digits/3'] }) };
    await first.db.updateTable('endpoints').set(old).execute();
    const { deployments } = await first.restart();
    await settle();
    assert.deepEqual(takenBack(deployments.get('prod')), ['digits/3']);
  });

  test('is forgotten once it is deployed and kept after all, and not before', async () => {
    const { deployments, back, deploy, wait } = await serving();
    await settle();
    await deploy(2, watched);
    await back();
    await deploy(2, watched);
    await wait(30);
    assert.deepEqual(takenBack(deployments.get('prod')), ['digits/2'], 'it is still watched');
    await wait(35);
    assert.deepEqual(takenBack(deployments.get('prod')), []);
    assert.equal(versionOf(await back()), 1);
  });

  test('is forgotten with its group, as what served of it is: a group of the same name has other versions', async () => {
    const house = await elsewhere();
    const { deployments, registry } = house;
    assert.deepEqual(takenBack(deployments.get('prod')), ['digits/2'], 'the group is still there');
    await registry.deleteGroup('Digits', 'me');
    for (const text of ['new', 'newer']) {
      const version = new TextEncoder().encode(text);
      await registry.register({ group: 'digits', source: version, sourceName: 'm.onnx', who: 'me' });
    }
    await registry.setApproval('digits', 1, 'Approved', { who: 'me' });
    assert.deepEqual(takenBack(deployments.get('prod')), []);
    const again = await house.restart();
    await settle();
    assert.deepEqual(takenBack(again.deployments.get('prod')), []);
    await assert.rejects(on(again).back(), refusal('wrong_state', /serves other\/1, .* nothing to go back to/));
  });

  test('is remembered where the deletion of its group fails', async (context) => {
    const house = await elsewhere();
    const { deployments, registry } = house;
    context.mock.method(house.audit, 'record', () => Promise.reject(new Error('the disk is full')));
    await assert.rejects(registry.deleteGroup('digits', 'me'), /the disk is full/);
    context.mock.restoreAll();
    assert.deepEqual(takenBack(deployments.get('prod')), ['digits/2']);
    const again = await house.restart();
    assert.deepEqual(takenBack(again.deployments.get('prod')), ['digits/2'], 'and so it is stored');
  });

  test('is forgotten with its endpoint', async () => {
    const { deployments, back, deploy } = await serving();
    await settle();
    await deploy(2, watched);
    await back();
    await deployments.remove('prod', 'me');
    await settle();
    await deployments.create(prod, 'me');
    assert.deepEqual(takenBack(deployments.get('prod')), []);
  });
});
