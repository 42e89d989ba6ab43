import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { afterEach, describe, test } from 'node:test';
import { type ControlPlane, openControlPlane, plainInspection } from '../../test/control-plane.ts';
import { modelPath } from '../../test/models/index.ts';
import { SystemClock, VirtualClock } from '../clock.ts';
import { defaultPrices } from '../costs/index.ts';
import { LocalProvider, type Provider } from '../providers/index.ts';
import { SeededRandom } from '../random.ts';
import type { ModelVersion } from '../registry/index.ts';
import type { WorkerLink } from '../runtime/index.ts';
import { jsonSignature } from '../tensor.ts';
import { type MeasuredProfile, Profiles } from './profiles.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function profilesOn(plane: ControlPlane, borrow: Provider['borrow'], budgetMs = 3000): Profiles {
  const { db, clock, log, events, registry } = plane;
  const random = new SeededRandom(1);
  const profiles = new Profiles({ db, clock, log, events, registry, borrow, random, prices: defaultPrices, cores: 2, budgetMs });
  closing.push(() => profiles.close());
  return profiles;
}

async function register(plane: ControlPlane, text: string): Promise<ModelVersion> {
  const source = new TextEncoder().encode(text);
  return (await plane.registry.register({ group: 'digits', source, sourceName: 'm.onnx', who: 'me' })).version;
}

/** A worker that answers immediately and records what it loads. */
function instantWorker(loads: unknown[] = []) {
  const { signature } = plainInspection();
  const link: Pick<WorkerLink, 'load' | 'run' | 'status'> = {
    load: async (model) => {
      loads.push(model);
      return { signature, loadMs: 20 };
    },
    run: async () => ({ outputs: [], timings: { inMs: 0, runMs: 0, outMs: 0 } }),
    status: async () => ({ rssBytes: 80 * 1024 ** 2, pid: process.pid }),
  };
  return link as WorkerLink;
}

async function openPlane(clock = new SystemClock()): Promise<ControlPlane> {
  const plane = await openControlPlane({ clock });
  closing.push(() => plane.close());
  return plane;
}

function nextProfile(profiles: Profiles): Promise<MeasuredProfile> {
  return new Promise((resolve) => {
    const stop = profiles.onMeasured((measured) => {
      stop();
      resolve(measured);
    });
  });
}

describe('profiles', () => {
  test('never run the code of a Python model that is not approved', async () => {
    const plane = await openPlane();
    const loads: unknown[] = [];
    const profiles = profilesOn(plane, (use) => use(instantWorker(loads)));
    const environment = { name: null, lock: null };
    const runtime = { kind: 'python', environment, flavour: 'sklearn', form: 'tensors', entry: '', modules: [] } as const;
    const registered = { ...(await register(plane, 'one')), runtime };
    for (const approval of ['PendingManualApproval', 'Rejected'] as const) {
      const version: ModelVersion = { ...registered, approval };
      await assert.rejects(profiles.measure(version, 'instance:local.1'), {
        code: 'wrong_state',
        message: /^digits\/1 is (Pending|Rejected)/,
      });
      profiles.measureInBackground(version, 'instance:local.1');
    }
    await profiles.close();
    assert.deepEqual(loads, []);
    const again = profilesOn(plane, (use) => use(instantWorker(loads)));
    await again.measure({ ...registered, approval: 'Approved' }, 'instance:local.1');
    assert.equal(loads.length, 1);
  });

  test('of a function of JSON need a sample, and say how to give it', async () => {
    const plane = await openPlane();
    const loads: unknown[] = [];
    const profiles = profilesOn(plane, (use) => use(instantWorker(loads)));
    const environment = { name: null, lock: null };
    const runtime = { kind: 'python', environment, flavour: 'code', form: 'json', entry: 'model.py', modules: [] } as const;
    const version: ModelVersion = { ...(await register(plane, 'one')), runtime, approval: 'Approved', signature: jsonSignature };
    profiles.measureInBackground(version, 'instance:local.1');
    await assert.rejects(profiles.measure(version, 'instance:local.1'), {
      code: 'unsupported',
      message:
        'digits/1 takes rows of JSON and has no sample, so it cannot be measured in advance. ' +
        'Register it again with --sample ROWS.jsonl, which has a few rows of JSON, one per line',
    });
    assert.deepEqual(loads, []);
  });

  test('have more runs the more time measuring may take', async () => {
    const clock = new VirtualClock();
    const plane = await openControlPlane({ clock });
    closing.push(() => plane.close());
    const version = await register(plane, 'one');
    const slow = Object.assign(instantWorker(), {
      run: async () => {
        clock.advance(20);
        return { outputs: [], timings: { inMs: 0, runMs: 20, outMs: 0 } };
      },
    });
    const runsIn = async (budgetMs: number): Promise<number> => {
      const { service } = await profilesOn(plane, (use) => use(slow), budgetMs).measure(version, 'instance:local.1');
      return service.reduce((sum, { samples }) => sum + samples.length, 0);
    };
    const [few, many] = [await runsIn(500), await runsIn(3000)];
    assert(few >= 3 && few <= 25 && many > few && many <= 200, `${few} and ${many} runs of 20 ms`);
  });

  test('are measured in the background, stored by version and executor, and announced', async () => {
    const plane = await openPlane();
    const version = await register(plane, 'one');
    const loads: unknown[] = [];
    const profiles = profilesOn(plane, (use) => use(instantWorker(loads)));
    assert.equal(await profiles.get('digits', 1, 'instance:local.1'), null);
    const reported = nextProfile(profiles);
    profiles.measureInBackground(version, 'instance:local.1');
    const { group, profile } = await reported;
    assert.deepEqual([group, profile.executor, profile.batchMax], ['digits', 'instance:local.1', 32]);
    assert.deepEqual(await profiles.get('DIGITS', 1, 'instance:local.1'), profile);
    assert.deepEqual(loads, [{ ...(await plane.registry.verifiedModelFiles(version)), threads: 1, name: 'digits/1' }]);
    await profiles.measure(version, 'instance:local.2');
    assert.deepEqual(
      (await profiles.list('digits', 1)).map(({ executor }) => executor),
      ['instance:local.1', 'instance:local.2'],
    );
    assert.ok((await plane.events.since(0, 10)).some(({ kind, subject }) => kind === 'profile.measured' && subject === 'digits/1'));
  });

  test('of a version that was deleted meanwhile are not found, without an internal error', async () => {
    const plane = await openControlPlane();
    closing.push(() => plane.close());
    const profiles = profilesOn(plane, async () => assert.fail('nothing is measured'));
    const profile = { executor: 'instance:local.1', measuredAtMs: 0 } as Parameters<Profiles['put']>[1];
    await assert.rejects(profiles.put({ group: 'gone', version: 1 }, profile), { code: 'not_found', message: /gone\/1 was deleted/ });
  });

  test('are measured one at a time; duplicate requests share one measurement', async () => {
    const plane = await openPlane();
    const versions = [await register(plane, 'one'), await register(plane, 'two')];
    let now = 0;
    let most = 0;
    let all = 0;
    const profiles = profilesOn(plane, async (use) => {
      most = Math.max(most, ++now);
      all++;
      const result = await use(instantWorker());
      now--;
      return result;
    });
    await Promise.all([...versions, ...versions].map((version) => profiles.measure(version, 'instance:local.1')));
    assert.deepEqual([most, all], [1, 2]);
  });

  test('are not measured again in the background if they exist', async () => {
    const plane = await openPlane();
    const version = await register(plane, 'one');
    let borrowed = 0;
    const profiles = profilesOn(plane, (use) => {
      borrowed++;
      return use(instantWorker());
    });
    await profiles.measure(version, 'instance:local.1');
    profiles.measureInBackground(version, 'instance:local.1');
    await profiles.measure(version, 'instance:local.2'); // measurements run in order, so the one in the background has completed
    assert.equal(borrowed, 2);
  });

  test('of one model that fails do not block the next', async () => {
    const plane = await openPlane();
    const versions = [await register(plane, 'one'), await register(plane, 'two')];
    let first = true;
    const profiles = profilesOn(plane, (use) => {
      if (!first) return use(instantWorker());
      first = false;
      return Promise.reject(new Error('the worker crashed'));
    });
    const reported = nextProfile(profiles);
    for (const version of versions) profiles.measureInBackground(version, 'instance:local.1');
    assert.equal((await reported).version, 2);
  });

  test('reject an unknown executor', async () => {
    const plane = await openPlane();
    const version = await register(plane, 'one');
    const profiles = profilesOn(plane, (use) => use(instantWorker()));
    await assert.rejects(profiles.measure(version, 'instance:moon.large'), /moon\.large/);
    await assert.rejects(profiles.measure(version, 'balloon:1'), /expected instance:TYPE/);
  });

  test('are deleted with their version', async () => {
    const plane = await openPlane();
    const version = await register(plane, 'one');
    const profiles = profilesOn(plane, (use) => use(instantWorker()));
    await profiles.measure(version, 'instance:local.1');
    await plane.registry.deleteVersion('digits', 1, 'me');
    assert.equal(await profiles.get('digits', 1, 'instance:local.1'), null);
  });

  test('come from real runs in a real worker', async () => {
    const clock = new SystemClock();
    let inspectWith: Provider | null = null;
    const plane = await openControlPlane({
      clock,
      inspect: (path, rewriteTo) => (inspectWith as Provider).borrow((link) => link.inspect(path, rewriteTo)),
    });
    closing.push(() => plane.close());
    const provider = new LocalProvider({ clock, log: plane.log, stateDirectory: plane.directory, warmWorkers: 1 });
    closing.push(() => provider.close());
    await provider.open();
    inspectWith = provider;
    const source = createReadStream(modelPath('digits_mlp'));
    const { version } = await plane.registry.register({ group: 'digits', source, sourceName: 'digits_mlp.onnx', who: 'me' });
    assert.deepEqual(version.signature.inputs, [{ name: 'pixels', datatype: 'FP32', shape: [-1, 64] }]);
    const profiles = profilesOn(plane, (use, options) => provider.borrow(use, options));
    const profile = await profiles.measure(version, 'instance:local.1');
    assert.equal(profile.batchMax, 32);
    for (const { samples, rssMiB } of profile.service) assert.ok(samples.length >= 3 && (samples[0] as number) > 0 && rssMiB > 20);
  });
});
