import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gone, type House, openHouse, prod, refusal, serverless, settle, until, variant } from '../../test/deployment-house.ts';
import { PlatformError } from '../errors.ts';

const endpoint = { ...prod, variants: [serverless] };

async function deployed(house: House): Promise<House> {
  await house.deployments.create(endpoint, 'me');
  house.serving.notes.length = 0;
  return house;
}

/** What a pool does when it needs an environment. */
async function wish({ deployments, registry }: House, memoryMiB = 2048, version = 1): Promise<string> {
  return deployments.startFunction({
    endpoint: 'prod',
    variant: 'AllTraffic',
    version: await registry.version('digits', version),
    memoryMiB,
  });
}

describe('a serverless endpoint', () => {
  test('needs no worker: it is in service at once', async () => {
    const { deployments, provider, serving, measured } = await openHouse();
    const view = await deployments.create(endpoint, 'me');
    assert.deepEqual([view.status, view.reason, view.servedGeneration, view.variants[0]?.ready], ['InService', null, 1, 0]);
    assert.deepEqual([provider.ids(), serving.notes, measured], [[], ['serve prod digits/1'], ['digits/1 functions']]);
    const [note, ...others] = view.notes;
    assert.match(note ?? '', /not held to their share of the processors.*: no processes/);
    assert.deepEqual(others, []);
  });

  test('says when its batches wait longer than its objective allows', async () => {
    const { deployments, provider } = await openHouse();
    provider.limits = { cpu: true, memory: true, reason: null };
    const functions = { ...serverless.functions, batching: { kind: 'fixed' as const, batchSizeMax: 8, waitMsMax: 50 } };
    const view = await deployments.create({ ...endpoint, variants: [{ ...serverless, functions }] }, 'me');
    assert.deepEqual(view.notes, ['variant AllTraffic: its batches wait up to 50ms, so the objective of 50ms cannot be kept']);
  });

  test('says when its timeout comes before its objective', async () => {
    const { deployments, provider } = await openHouse();
    provider.limits = { cpu: true, memory: true, reason: null };
    const view = await deployments.create({ ...endpoint, timeoutMs: 40 }, 'me');
    assert.deepEqual(view.notes, ['requests are given up after the timeout of 40ms, so batches are formed for that and not for p95<=50ms']);
    assert.deepEqual((await deployments.update('prod', { timeoutMs: 50 }, 'me')).notes, []);
  });

  test('has each function started as it is wished for, and attached when it is ready', async () => {
    const house = await deployed(await openHouse());
    const { provider, serving, clock } = house;
    provider.isPrompt = false;
    const id = await wish(house);
    assert.deepEqual([id, serving.notes], ['prod.alltraffic.f0', []]);
    await settle();
    const spec = provider.views.get(id)?.spec;
    assert.deepEqual(
      [spec?.kind, spec?.memoryMiB, spec?.instanceType, spec?.modelName, spec?.threads, spec?.vcpuMax],
      ['function', 2048, 'function:2048', 'digits/1', 1, null],
    );
    assert.equal(house.deployments.get('prod').status, 'InService');
    clock.advance(240);
    provider.ready(id);
    const worker = serving.attached.get(id);
    assert.deepEqual([worker?.functionMemoryMiB, worker?.coldStartMs, worker?.usdPerHour], [2048, 240, 0]);
    assert.equal(await wish(house), 'prod.alltraffic.f1');
  });

  test('holds its functions to their share of the processors where that can be done', async () => {
    const house = await deployed(await openHouse());
    house.provider.limits = { cpu: true, memory: true, reason: null };
    const [small, large] = [await wish(house, 1769 / 2), await wish(house, 2 * 1769)];
    await settle();
    const shapes = [small, large].map((id) => house.provider.views.get(id)?.spec).map((spec) => [spec?.threads, spec?.vcpuMax]);
    assert.deepEqual(shapes, [
      [1, 0.5],
      [2, 2],
    ]);
  });

  test('has them ended as serving says, once, and their names are not given again', async () => {
    const house = await deployed(await openHouse());
    const { deployments, provider, serving } = house;
    const id = await wish(house);
    await settle();
    serving.notes.length = 0;
    serving.onDetach = (detached) => deployments.stopFunction(detached);
    deployments.stopFunction(id);
    deployments.stopFunction(id);
    deployments.stopFunction('prod.alltraffic.f9');
    deployments.stopFunction('nobody');
    assert.equal(deployments.get('prod').status, 'InService');
    await settle();
    assert.deepEqual([provider.ids(), serving.notes], [[], [`detach ${id}`]]);
    deployments.stopFunction(id);
    assert.notEqual(await wish(house), id);
  });

  test('leaves nothing behind where a function is ended before its start was taken', async () => {
    const house = await deployed(await openHouse());
    const taken = Promise.withResolvers<void>();
    house.provider.takes = taken.promise;
    house.deployments.stopFunction(await wish(house));
    await settle();
    taken.resolve();
    await settle();
    assert.deepEqual([house.provider.ids(), house.serving.attached.size], [[], 0]);
  });
});

describe('a function that dies', () => {
  test('is detached at once and not started again: serving wishes for another if it needs one', async () => {
    const house = await deployed(await openHouse());
    const { deployments, provider, serving } = house;
    const id = await wish(house);
    await settle();
    serving.notes.length = 0;
    serving.onDetach = (detached) => deployments.stopFunction(detached);
    provider.crash(id);
    assert.deepEqual([serving.notes, deployments.get('prod').status], [[`detach ${id}`], 'InService']);
    provider.ready(id); // its supervision was faster than we
    await settle();
    assert.deepEqual([provider.ids(), serving.attached.size], [[], 0]);
  });

  test('again and again while it starts is told to serving and to whoever looks, until one works', async () => {
    const house = await deployed(await openHouse());
    const { deployments, provider, serving } = house;
    provider.isPrompt = false;
    const id = await wish(house);
    await settle();
    provider.crash(id);
    assert.equal(serving.notes.length, 0);
    provider.crash(id, { state: 'failed', reason: 'exit code 134: too little memory' });
    assert.equal(serving.notes[0], `failed ${id}: exit code 134: too little memory`);
    const failed = deployments.get('prod');
    assert.equal(failed.status, 'Failed');
    assert.match(failed.reason ?? '', /f0 of digits\/1 failed: exit code 134: too little memory/);
    await settle();
    assert.deepEqual([provider.ids(), serving.notes.filter((note) => note.startsWith('failed')).length], [[], 1]);
    provider.isPrompt = true;
    await wish(house, 4096);
    const view = await until(house, 'prod', ({ status }) => status === 'InService');
    assert.equal(view.reason, null);
  });

  test('before it could even be asked for is told to serving, but never before its name is known', async () => {
    const house = await deployed(await openHouse());
    const { provider, serving, deployments } = house;
    provider.refuses = new PlatformError('unavailable', 'no more processes');
    const id = await wish(house);
    assert.deepEqual(serving.notes, []);
    await settle();
    assert.equal(serving.notes[0], `failed ${id}: no more processes`);
    assert.match(deployments.get('prod').reason ?? '', /no more processes/);
    await deployments.load('prod', 'me');
    assert.equal(deployments.get('prod').status, 'InService');
  });
});

describe('functions beside instances', () => {
  const hybrid = { ...serverless, instanceCount: 1 };

  test('come to an endpoint that has instances, and go again, and the instances stay', async () => {
    const house = await openHouse();
    const { deployments, provider, serving } = house;
    await deployments.create(prod, 'me');
    await settle();
    const [instance] = provider.ids();
    await deployments.update('prod', { variants: [hybrid] }, 'me');
    await settle();
    assert.equal(deployments.get('prod').status, 'InService');
    const id = await wish(house);
    await settle();
    assert.deepEqual(provider.ids(), [instance, id]);
    assert.deepEqual([...serving.attached.keys()], [instance, id]);
    assert.equal(deployments.get('prod').variants[0]?.ready, 1);
    await deployments.update('prod', { variants: [variant] }, 'me');
    await settle();
    assert.deepEqual(provider.ids(), [instance]);
  });

  test('say when there may be more of them than the instances leave cores', async () => {
    const { deployments, provider } = await openHouse();
    provider.limits = { cpu: true, memory: true, reason: null };
    const view = await deployments.create({ ...prod, variants: [hybrid] }, 'me');
    assert.deepEqual(view.notes, [
      'variant AllTraffic: up to 10 functions run on this machine, where its 1 × local.1 leave 1 of 2 cores: beyond that they take turns with ' +
        'the instances, and all are later than predicted; a max concurrency of 1 is what fits',
    ]);
    const fits = { ...hybrid, functions: { ...hybrid.functions, maxConcurrency: 1 } };
    assert.deepEqual((await deployments.update('prod', { variants: [fits] }, 'me')).notes, []);
  });
});

describe('a change of a serverless endpoint', () => {
  test('to another version serves it at once, and drains the functions of the old one', async () => {
    const house = await deployed(await openHouse());
    const { deployments, provider, serving } = house;
    const [ready, starting] = [await wish(house), await wish(house)];
    await settle();
    provider.crash(ready);
    const [again] = [await wish(house)];
    await settle();
    provider.isPrompt = false;
    serving.notes.length = 0;
    const view = await deployments.update('prod', { variants: [{ ...serverless, version: 2 }] }, 'me');
    assert.deepEqual([view.status, view.servedGeneration], ['InService', 2]);
    await settle();
    assert.equal(serving.notes[0], 'serve prod digits/2');
    assert.deepEqual(serving.notes.slice(1).toSorted(), [`detach ${starting}`, `detach ${again}`, `drain ${starting}`, `drain ${again}`]);
    assert.deepEqual(provider.ids(), []);
  });

  test('to another version takes back what was still starting of the old one, and says so to serving', async () => {
    const house = await deployed(await openHouse());
    const { deployments, provider, serving } = house;
    provider.isPrompt = false;
    const id = await wish(house);
    await settle();
    await deployments.update('prod', { variants: [{ ...serverless, version: 2 }] }, 'me');
    await settle();
    assert.deepEqual([serving.notes, provider.ids()], [['serve prod digits/2', `detach ${id}`], []]);
    const late = await wish(house, 2048, 1);
    await settle();
    assert.match(serving.notes.join('\n'), new RegExp(`failed ${late}: digits/1 is not served by functions of variant AllTraffic now`));
    assert.equal(deployments.get('prod').status, 'InService');
  });

  test('from instances and back to them never is without somebody who serves', async () => {
    const house = await openHouse();
    const { deployments, provider, serving } = house;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    await deployments.update('prod', { variants: [serverless] }, 'me');
    await settle();
    assert.deepEqual([provider.ids(), deployments.get('prod').status], [[], 'InService']);
    const id = await wish(house);
    await settle();
    provider.isPrompt = false;
    serving.notes.length = 0;
    const updating = await deployments.update('prod', { variants: [variant] }, 'me');
    assert.deepEqual([updating.status, updating.servedGeneration], ['Updating', 2]);
    await settle();
    assert.deepEqual([provider.ids(), serving.notes], [['prod.alltraffic.3.0', id], []]);
    provider.ready('prod.alltraffic.3.0');
    await settle();
    assert.deepEqual(serving.notes, ['attach prod.alltraffic.3.0', 'serve prod digits/1', `drain ${id}`, `detach ${id}`]);
    assert.deepEqual([provider.ids(), deployments.get('prod').status], [['prod.alltraffic.3.0'], 'InService']);
  });

  test('a reload drains the functions of before and keeps those that came since', async () => {
    const house = await deployed(await openHouse());
    const { deployments, provider, serving } = house;
    const before = await wish(house);
    await settle();
    await deployments.load('prod', 'me');
    const since = await wish(house);
    await until(house, 'prod', ({ status }) => status === 'InService');
    await settle();
    assert.deepEqual(provider.ids(), [since]);
    assert.equal(serving.notes.includes(`drain ${before}`), true);
  });
});

describe('a serverless endpoint that ends', () => {
  test('may have functions for the requests under way until they are answered', async () => {
    const house = await deployed(await openHouse());
    const { deployments, provider, serving } = house;
    const answered = Promise.withResolvers<void>();
    serving.answered = answered.promise;
    await deployments.unload('prod', 'me');
    await wish(house);
    await settle();
    assert.equal(serving.attached.size, 1);
    answered.resolve();
    await until(house, 'prod', ({ status }) => status === 'Unloaded');
    assert.deepEqual([provider.ids(), serving.attached.size], [[], 0]);
    const refused = await wish(house);
    await settle();
    assert.match(serving.notes.join('\n'), new RegExp(`failed ${refused}`));
    assert.deepEqual([provider.ids(), deployments.get('prod').status], [[], 'Unloaded']);
    await deployments.load('prod', 'me');
    assert.equal((await deployments.waitFor('prod', 1000)).status, 'InService');
    await wish(house);
    await settle();
    assert.equal(serving.attached.size, 1);
  });

  test('is gone when its last function has ended, ready or not', async () => {
    const house = await deployed(await openHouse());
    const { deployments, provider } = house;
    await wish(house);
    await settle();
    provider.isPrompt = false;
    await wish(house);
    const end = gone(house);
    await deployments.remove('prod', 'me');
    await end;
    assert.deepEqual([provider.ids(), deployments.list()], [[], []]);
  });

  test('with its server serves again after the next start, with no function until one is wished for', async () => {
    const first = await deployed(await openHouse());
    await wish(first);
    await settle();
    const second = await first.restart();
    assert.equal((await second.deployments.waitFor('prod', 1000)).status, 'InService');
    assert.deepEqual([second.provider.ids(), second.serving.notes], [[], ['serve prod digits/1']]);
    await wish(second);
    await settle();
    assert.equal(second.serving.attached.size, 1);
  });
});

test('fixed batches of several rows need a model that may be batched', async () => {
  const { deployments } = await openHouse({ batchable: false, batchableReason: 'rows depend on each other' });
  const batching = (batchSizeMax: number) => ({
    ...endpoint,
    variants: [{ ...serverless, functions: { ...serverless.functions, batching: { kind: 'fixed' as const, batchSizeMax, waitMsMax: 5 } } }],
  });
  await assert.rejects(
    deployments.create(batching(4), 'me'),
    refusal('invalid_request', /digits\/1 may not be batched: rows depend on each other/),
  );
  await deployments.create(batching(1), 'me');
});
