/** Deployment on real worker processes with a minimal serving layer: no request fails during updates and crashes. */
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type ControlPlane, openControlPlane } from '../../../test/control-plane.ts';
import { modelPath, sample } from '../../../test/models/index.ts';
import { SystemClock } from '../../clock.ts';
import { defaultPrices } from '../../costs/index.ts';
import { LocalProvider } from '../../providers/index.ts';
import { WorkerLost } from '../../runtime/index.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import { Deployments } from '../deployments.ts';
import type { ServedEndpoint, ServedWorker, ServingPort } from '../serving-port.ts';

/** Sends each request to a routed worker; a request whose worker crashes is retried once. */
class DirectServing implements ServingPort {
  readonly #workers = new Map<string, ServedWorker>();
  readonly #open = new Map<string, Set<Promise<unknown>>>();
  #routed: ServedEndpoint | null = null;
  #next = 0;

  async infer(): Promise<string> {
    const [input] = sample('digits_mlp').inputs;
    assert(input !== undefined);
    for (let attempt = 0; ; attempt++) {
      const worker = this.#pick();
      if (worker === undefined) {
        assert(attempt < 500, 'no worker serves');
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const run = worker.link.run([{ ...input, parts: [input.data] }]);
      const open = this.#open.get(worker.id) ?? new Set();
      this.#open.set(worker.id, open.add(run));
      try {
        await run;
        return worker.version.name;
      } catch (error) {
        if (!(error instanceof WorkerLost)) throw error;
        await new Promise((resolve) => setImmediate(resolve));
      } finally {
        open.delete(run);
      }
    }
  }

  serve(endpoint: ServedEndpoint): void {
    this.#routed = endpoint;
  }

  attach(worker: ServedWorker): void {
    this.#workers.set(worker.id, worker);
  }

  detach(workerId: string): void {
    this.#workers.delete(workerId);
  }

  functionFailed(): void {}

  counted(): [] {
    return [];
  }

  launched(): void {}

  async drain(workerId: string): Promise<void> {
    this.#workers.delete(workerId);
    await Promise.allSettled(this.#open.get(workerId) ?? new Set<Promise<unknown>>());
  }

  async suspend(): Promise<void> {
    await this.discard();
  }

  async discard(): Promise<void> {
    this.#routed = null;
    await Promise.allSettled([...this.#open.values()].flatMap((open) => [...open]));
  }

  #pick(): ServedWorker | undefined {
    const routed = this.#routed?.variants.map(({ version }) => version.name) ?? [];
    const able = [...this.#workers.values()].filter(({ version }) => routed.includes(version.name));
    return able[this.#next++ % Math.max(able.length, 1)];
  }
}

describe('deployment on real workers', () => {
  const clock = new SystemClock();
  const serving = new DirectServing();
  let plane: ControlPlane;
  let provider: LocalProvider;
  let deployments: Deployments;
  const variant = { name: 'AllTraffic', group: 'digits', version: 1, weight: 1, instanceCount: 1, instanceType: 'local.1' };
  const prod: EndpointConfig = { name: 'prod', variants: [variant], objective: null, late: 'serve', timeoutMs: 10_000 };

  before(async () => {
    plane = await openControlPlane({ clock, inspect: (path, rewriteTo) => provider.borrow((link) => link.inspect(path, rewriteTo)) });
    provider = new LocalProvider({
      clock,
      log: plane.log,
      stateDirectory: plane.directory,
      warmWorkers: 1,
      fetchFile: (sha256) => plane.objects.fetch(sha256),
    });
    await provider.open();
    const profiles = { measureInBackground: () => undefined };
    deployments = new Deployments({ ...plane, provider, serving, profiles, functionProfiles: profiles, prices: defaultPrices, cores: 2 });
    await deployments.open();
    for (const model of ['digits_mlp', 'digits_logreg']) {
      const source = createReadStream(modelPath(model));
      await plane.registry.register({ group: 'digits', source, sourceName: `${model}.onnx`, who: 'me' });
    }
    for (const version of [1, 2]) await plane.registry.setApproval('digits', version, 'Approved', { who: 'me' });
  });

  after(async () => {
    await deployments?.close();
    await provider?.close();
    await plane?.close();
  });

  /** Sends requests continuously during `act` and for a while after; every request must succeed. */
  async function underLoad(act: () => Promise<void>): Promise<Set<string>> {
    let isOver = false;
    const answered = new Set<string>();
    const client = async () => {
      while (!isOver) answered.add(await serving.infer());
    };
    const clients = [client(), client()];
    try {
      await act();
      for (let i = 0; i < 20; i++) answered.add(await serving.infer());
    } finally {
      isOver = true;
      await Promise.all(clients);
    }
    return answered;
  }

  test('an endpoint reaches InService', async () => {
    await deployments.create(prod, 'me');
    const view = await deployments.waitFor('prod', 60_000);
    assert.deepEqual([view.status, view.reason], ['InService', null]);
    assert.equal(await serving.infer(), 'digits/1');
  });

  test('an update to another version fails no request', async () => {
    const answered = await underLoad(async () => {
      await deployments.update('prod', { variants: [{ ...variant, version: 2, instanceCount: 2 }] }, 'me');
      const view = await deployments.waitFor('prod', 60_000);
      assert.deepEqual([view.status, view.reason, view.servedGeneration], ['InService', null, 2]);
    });
    assert.deepEqual(answered, new Set(['digits/1', 'digits/2']));
    assert.equal(await serving.infer(), 'digits/2');
  });

  test('killing a worker fails no request, and the worker is restarted', async () => {
    await underLoad(async () => {
      const [victim] = deployments.get('prod').variants[0]?.workers ?? [];
      const pid = victim?.pid ?? null;
      assert(victim !== undefined && pid !== null);
      const restarted = new Promise<void>((resolve) => {
        const stop = provider.onChange((view) => {
          if (view.spec.id !== victim.spec.id || view.state !== 'ready' || view.restarts === 0) return;
          stop();
          resolve();
        });
      });
      process.kill(pid, 'SIGKILL');
      await restarted;
    });
    assert.equal(deployments.get('prod').variants[0]?.ready, 2);
  });

  test('a deleted endpoint leaves no worker', async () => {
    const deleted = new Promise((resolve) => deployments.onDeleted(resolve));
    await deployments.remove('prod', 'me');
    await deleted;
    assert.deepEqual(provider.list(), []);
  });
});
