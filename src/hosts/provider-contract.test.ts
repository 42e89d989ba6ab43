/** What every provider promises, with real workers: on this machine, and on a host behind a link. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { floats, HostsFixture, slowRun, storedModel, viewWhere, workerSpec } from '../../test/hosts-fixture.ts';
import type { Provider } from '../providers/index.ts';
import { type ServingLink, WorkerLost } from '../runtime/index.ts';

const isReady = (id: string) => (view: { spec: { id: string }; state: string }) => view.spec.id === id && view.state === 'ready';

function providerContract(name: string, open: (fixture: HostsFixture) => Promise<Provider>): void {
  describe(`${name} as a provider`, () => {
    const fixture = new HostsFixture();
    let provider: Provider;
    before(async () => {
      provider = await open(fixture);
    });
    after(() => fixture.close());

    const started = async (...[model, changes]: Parameters<typeof workerSpec>): Promise<ServingLink> => {
      const spec = workerSpec(model, changes);
      await provider.start(spec);
      await viewWhere(provider, isReady(spec.id));
      return provider.link(spec.id) as ServingLink;
    };

    test('a started worker is listed, becomes ready and runs batches', async () => {
      const link = await started('test_affine', { id: 'a' });
      const [view] = provider.list();
      assert.deepEqual([view?.spec.id, view?.state, view?.restarts, view?.reason], ['a', 'ready', 0, null]);
      const { outputs, timings } = await link.run([floats('x', [2, 3], 1)]);
      assert.deepEqual(outputs[0]?.shape, [2, 3]);
      assert(timings.runMs >= 0);
      assert((await link.status()).rssBytes > 20e6);
      await provider.stop('a');
      assert.deepEqual(provider.list(), []);
      assert.equal(provider.link('a'), null);
    });

    test('a second start of the same worker changes nothing, and unknown workers stop at once', async () => {
      await Promise.all([provider.start(workerSpec('test_affine', { id: 'b' })), provider.start(workerSpec('test_affine', { id: 'b' }))]);
      await provider.start(workerSpec('test_affine', { id: 'b' }));
      assert.equal(provider.list().length, 1);
      await provider.stop('unknown');
      await provider.stop('b');
    });

    test('a batch of 4 MB arrives whole, and so does its result', async () => {
      const link = await started('test_affine', { id: 'c' });
      const rows = 350_000;
      const inputs = floats('x', [rows, 3], 0.5);
      const small = floats('x', [1, 3], 0.5);
      const [large, one] = await Promise.all([link.run([inputs]), link.run([small])]);
      const expected = Buffer.from(one.outputs[0]?.data ?? []);
      const data = Buffer.from(large.outputs[0]?.data ?? []);
      assert.equal(data.length, rows * 12);
      for (const row of [0, rows >> 1, rows - 1]) assert.deepEqual(data.subarray(row * 12, row * 12 + 12), expected);
      await provider.stop('c');
    });

    test('errors of the model and of the request are those of the worker', async () => {
      const link = await started('test_affine', { id: 'd' });
      await assert.rejects(link.run([floats('y', [1, 3], 1)]), { code: 'invalid_request', message: /no input 'y'/ });
      await assert.rejects(link.run([floats('x', [1, 3, 3], 1)]), { code: 'invalid_request' });
      assert.deepEqual((await link.run([floats('x', [1, 3], 1)])).outputs[0]?.shape, [1, 3]);
      await provider.stop('d');
    });

    test('a restarted worker has lost its runs, and gets another link', async () => {
      const link = await started('test_slow_loop', { id: 'f' });
      const run = link.run(slowRun(50_000_000n));
      run.catch(() => undefined);
      provider.restart('f', 'it hung');
      await assert.rejects(run, WorkerLost);
      const view = await viewWhere(provider, (each) => isReady('f')(each) && each.restarts === 1);
      assert.match(view.reason ?? '', /it hung/);
      assert.notEqual(provider.link('f'), link);
      await assert.rejects(link.run(slowRun(1n)), WorkerLost);
      assert.equal((await (provider.link('f') as ServingLink).run(slowRun(1n))).outputs.length, 1);
      await provider.stop('f');
    });

    test('a model that cannot be loaded is reported with the reason', async () => {
      const path = join(fixture.root, 'broken.onnx');
      writeFileSync(path, 'not a model');
      await provider.start(workerSpec('test_affine', { id: 'g', artifact: storedModel(path) }));
      const view = await viewWhere(provider, ({ reason }) => reason !== null);
      assert.notEqual(view.state, 'ready');
      assert.match(view.reason ?? '', /./);
      await provider.stop('g');
    });
  });
}

providerContract('this machine', (fixture) => fixture.openLocal());

providerContract('a host behind a link', async (fixture) => {
  const home = await fixture.openHome();
  await fixture.openHost('h1');
  return home;
});
