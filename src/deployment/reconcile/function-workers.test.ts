import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type DeploymentFixture,
  openDeploymentFixture,
  prod,
  refusal,
  serverless,
  settle,
  until,
  untilDeleted,
  variant,
} from '../../../test/deployment-fixture.ts';
import { PlatformError } from '../../errors.ts';

const endpoint = { ...prod, variants: [serverless] };

async function deployed(fixture: DeploymentFixture): Promise<DeploymentFixture> {
  await fixture.deployments.create(endpoint, 'me');
  fixture.serving.notes.length = 0;
  return fixture;
}

/** Requests a function, as a pool does when it needs an execution environment. */
async function requestFunction({ deployments, registry }: DeploymentFixture, memoryMiB = 2048, version = 1): Promise<string> {
  return deployments.startFunction({
    endpoint: 'prod',
    variant: 'AllTraffic',
    version: await registry.version('digits', version),
    memoryMiB,
  });
}

describe('a serverless endpoint', () => {
  test('is in service at once, without any worker', async () => {
    const { deployments, provider, serving, measured } = await openDeploymentFixture();
    const view = await deployments.create(endpoint, 'me');
    assert.deepEqual([view.status, view.reason, view.servedGeneration, view.variants[0]?.ready], ['InService', null, 1, 0]);
    assert.deepEqual([provider.ids(), serving.notes, measured], [[], ['serve prod digits/1'], ['digits/1 functions']]);
    const [note, ...others] = view.notes;
    assert.match(note ?? '', /not limited to their CPU share.*: no processes/);
    assert.deepEqual(others, []);
  });

  test('notes if its batches wait longer than its objective allows', async () => {
    const { deployments, provider } = await openDeploymentFixture();
    provider.limits = { cpu: true, memory: true, reason: null };
    const functions = { ...serverless.functions, batching: { kind: 'fixed' as const, batchSizeMax: 8, waitMsMax: 50 } };
    const view = await deployments.create({ ...endpoint, variants: [{ ...serverless, functions }] }, 'me');
    assert.deepEqual(view.notes, ['variant AllTraffic: its batches wait up to 50ms, so the objective of 50ms cannot be met']);
  });

  test('notes if its timeout is shorter than its objective', async () => {
    const { deployments, provider } = await openDeploymentFixture();
    provider.limits = { cpu: true, memory: true, reason: null };
    const view = await deployments.create({ ...endpoint, timeoutMs: 40 }, 'me');
    assert.deepEqual(view.notes, ['requests are cancelled after the timeout of 40ms, so batches are formed for that instead of p95<=50ms']);
    assert.deepEqual((await deployments.update('prod', { timeoutMs: 50 }, 'me')).notes, []);
  });

  test('starts each requested function, and attaches it when it is ready', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const { provider, serving, clock } = fixture;
    provider.isPrompt = false;
    const id = await requestFunction(fixture);
    assert.deepEqual([id, serving.notes], ['prod.alltraffic.f0', []]);
    await settle();
    const spec = provider.views.get(id)?.spec;
    assert.deepEqual(
      [spec?.kind, spec?.memoryMiB, spec?.instanceType, spec?.modelName, spec?.threads, spec?.vcpuMax],
      ['function', 2048, 'function:2048', 'digits/1', 1, null],
    );
    assert.equal(fixture.deployments.get('prod').status, 'InService');
    clock.advance(240);
    provider.ready(id);
    const worker = serving.attached.get(id);
    assert.deepEqual([worker?.functionMemoryMiB, worker?.coldStartMs, worker?.usdPerHour], [2048, 240, 0]);
    assert.equal(await requestFunction(fixture), 'prod.alltraffic.f1');
  });

  test('limits its functions to their CPU share if the machine supports it', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    fixture.provider.limits = { cpu: true, memory: true, reason: null };
    const [small, large] = [await requestFunction(fixture, 1769 / 2), await requestFunction(fixture, 2 * 1769)];
    await settle();
    const shapes = [small, large].map((id) => fixture.provider.views.get(id)?.spec).map((spec) => [spec?.threads, spec?.vcpuMax]);
    assert.deepEqual(shapes, [
      [1, 0.5],
      [2, 2],
    ]);
  });

  test('stops a function once when serving asks for it, and never reuses its id', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const { deployments, provider, serving } = fixture;
    const id = await requestFunction(fixture);
    await settle();
    serving.notes.length = 0;
    serving.onDetach = (detached) => deployments.stopFunction(detached);
    deployments.stopFunction(id);
    deployments.stopFunction(id);
    deployments.stopFunction('prod.alltraffic.f9');
    deployments.stopFunction('unknown');
    assert.equal(deployments.get('prod').status, 'InService');
    await settle();
    assert.deepEqual([provider.ids(), serving.notes], [[], [`detach ${id}`]]);
    deployments.stopFunction(id);
    assert.notEqual(await requestFunction(fixture), id);
  });

  test('leaves nothing behind if a function is stopped before the provider accepts it', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const accepted = Promise.withResolvers<void>();
    fixture.provider.takes = accepted.promise;
    fixture.deployments.stopFunction(await requestFunction(fixture));
    await settle();
    accepted.resolve();
    await settle();
    assert.deepEqual([fixture.provider.ids(), fixture.serving.attached.size], [[], 0]);
  });
});

describe('a function that crashes', () => {
  test('is detached at once and not restarted: serving requests another one if needed', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const { deployments, provider, serving } = fixture;
    const id = await requestFunction(fixture);
    await settle();
    serving.notes.length = 0;
    serving.onDetach = (detached) => deployments.stopFunction(detached);
    provider.crash(id);
    assert.deepEqual([serving.notes, deployments.get('prod').status], [[`detach ${id}`], 'InService']);
    provider.ready(id); // the provider restarted it before it was stopped
    await settle();
    assert.deepEqual([provider.ids(), serving.attached.size], [[], 0]);
  });

  test('repeatedly while starting is reported to serving and in the status, until another one works', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const { deployments, provider, serving } = fixture;
    provider.isPrompt = false;
    const id = await requestFunction(fixture);
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
    await requestFunction(fixture, 4096);
    const view = await until(fixture, 'prod', ({ status }) => status === 'InService');
    assert.equal(view.reason, null);
  });

  test('before the provider accepts it is reported to serving, but only after its id was returned', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const { provider, serving, deployments } = fixture;
    provider.refuses = new PlatformError('unavailable', 'no more processes');
    const id = await requestFunction(fixture);
    assert.deepEqual(serving.notes, []);
    await settle();
    assert.equal(serving.notes[0], `failed ${id}: no more processes`);
    assert.match(deployments.get('prod').reason ?? '', /no more processes/);
    await deployments.load('prod', 'me');
    assert.equal(deployments.get('prod').status, 'InService');
  });
});

describe('functions of a variant with instances', () => {
  const hybrid = { ...serverless, instanceCount: 1 };

  test('can be added to and removed from an endpoint, and its instances stay', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider, serving } = fixture;
    await deployments.create(prod, 'me');
    await settle();
    const [instance] = provider.ids();
    await deployments.update('prod', { variants: [hybrid] }, 'me');
    await settle();
    assert.equal(deployments.get('prod').status, 'InService');
    const id = await requestFunction(fixture);
    await settle();
    assert.deepEqual(provider.ids(), [instance, id]);
    assert.deepEqual([...serving.attached.keys()], [instance, id]);
    assert.equal(deployments.get('prod').variants[0]?.ready, 1);
    await deployments.update('prod', { variants: [variant] }, 'me');
    await settle();
    assert.deepEqual(provider.ids(), [instance]);
  });

  test('are noted if more of them may run than the instances leave cores', async () => {
    const { deployments, provider } = await openDeploymentFixture();
    provider.limits = { cpu: true, memory: true, reason: null };
    const view = await deployments.create({ ...prod, variants: [hybrid] }, 'me');
    assert.deepEqual(view.notes, [
      'variant AllTraffic: up to 10 functions can run on this machine, where its 1 × local.1 leave 1 of 2 cores: above that they compete ' +
        'with the instances, and all are slower than predicted. Set the max concurrency to 1',
    ]);
    const fits = { ...hybrid, functions: { ...hybrid.functions, maxConcurrency: 1 } };
    assert.deepEqual((await deployments.update('prod', { variants: [fits] }, 'me')).notes, []);
  });
});

describe('a change of a serverless endpoint', () => {
  test('to another version serves that at once, and drains the functions of the old one', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const { deployments, provider, serving } = fixture;
    const [ready, starting] = [await requestFunction(fixture), await requestFunction(fixture)];
    await settle();
    provider.crash(ready);
    const [again] = [await requestFunction(fixture)];
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

  test('to another version stops functions of the old one that are still starting, and notifies serving', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const { deployments, provider, serving } = fixture;
    provider.isPrompt = false;
    const id = await requestFunction(fixture);
    await settle();
    await deployments.update('prod', { variants: [{ ...serverless, version: 2 }] }, 'me');
    await settle();
    assert.deepEqual([serving.notes, provider.ids()], [['serve prod digits/2', `detach ${id}`], []]);
    const late = await requestFunction(fixture, 2048, 1);
    await settle();
    assert.match(serving.notes.join('\n'), new RegExp(`failed ${late}: functions of variant AllTraffic do not serve digits/1 now`));
    assert.equal(deployments.get('prod').status, 'InService');
  });

  test('from instances to functions and back always leaves an executor in service', async () => {
    const fixture = await openDeploymentFixture();
    const { deployments, provider, serving } = fixture;
    await deployments.create(prod, 'me');
    await deployments.waitFor('prod', 1000);
    await deployments.update('prod', { variants: [serverless] }, 'me');
    await settle();
    assert.deepEqual([provider.ids(), deployments.get('prod').status], [[], 'InService']);
    const id = await requestFunction(fixture);
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

  test('that reloads it drains the old functions and keeps those started since', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const { deployments, provider, serving } = fixture;
    const before = await requestFunction(fixture);
    await settle();
    await deployments.load('prod', 'me');
    const since = await requestFunction(fixture);
    await until(fixture, 'prod', ({ status }) => status === 'InService');
    await settle();
    assert.deepEqual(provider.ids(), [since]);
    assert.equal(serving.notes.includes(`drain ${before}`), true);
  });
});

describe('stopping a serverless endpoint', () => {
  test('allows new functions until the requests in progress are answered', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const { deployments, provider, serving } = fixture;
    const answered = Promise.withResolvers<void>();
    serving.answered = answered.promise;
    await deployments.unload('prod', 'me');
    await requestFunction(fixture);
    await settle();
    assert.equal(serving.attached.size, 1);
    answered.resolve();
    await until(fixture, 'prod', ({ status }) => status === 'Unloaded');
    assert.deepEqual([provider.ids(), serving.attached.size], [[], 0]);
    const refused = await requestFunction(fixture);
    await settle();
    assert.match(serving.notes.join('\n'), new RegExp(`failed ${refused}`));
    assert.deepEqual([provider.ids(), deployments.get('prod').status], [[], 'Unloaded']);
    await deployments.load('prod', 'me');
    assert.equal((await deployments.waitFor('prod', 1000)).status, 'InService');
    await requestFunction(fixture);
    await settle();
    assert.equal(serving.attached.size, 1);
  });

  test('completes its deletion when its last function has stopped, ready or not', async () => {
    const fixture = await deployed(await openDeploymentFixture());
    const { deployments, provider } = fixture;
    await requestFunction(fixture);
    await settle();
    provider.isPrompt = false;
    await requestFunction(fixture);
    const end = untilDeleted(fixture);
    await deployments.remove('prod', 'me');
    await end;
    assert.deepEqual([provider.ids(), deployments.list()], [[], []]);
  });

  test('with its server: after a restart it serves again, without functions until one is requested', async () => {
    const first = await deployed(await openDeploymentFixture());
    await requestFunction(first);
    await settle();
    const second = await first.restart();
    assert.equal((await second.deployments.waitFor('prod', 1000)).status, 'InService');
    assert.deepEqual([second.provider.ids(), second.serving.notes], [[], ['serve prod digits/1']]);
    await requestFunction(second);
    await settle();
    assert.equal(second.serving.attached.size, 1);
  });
});

test('fixed batching of several rows requires a batchable model', async () => {
  const { deployments } = await openDeploymentFixture({ batchable: false, batchableReason: 'rows depend on each other' });
  const batching = (batchSizeMax: number) => ({
    ...endpoint,
    variants: [{ ...serverless, functions: { ...serverless.functions, batching: { kind: 'fixed' as const, batchSizeMax, waitMsMax: 5 } } }],
  });
  await assert.rejects(
    deployments.create(batching(4), 'me'),
    refusal('invalid_request', /digits\/1 cannot be batched: rows depend on each other/),
  );
  await deployments.create(batching(1), 'me');
});
