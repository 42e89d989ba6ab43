/** What every provider promises, with real workers: on this machine, and on a host behind a link. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect, TLSSocket } from 'node:tls';
import { floats, HostsFixture, slowRun, storedModel, viewWhere, workerSpec } from '../../test/hosts-fixture.ts';
import { homePython, ladderModel, openPythons, skipNumpy, skipPython, streamModel, sumModel, sumsOf } from '../../test/hosts-python.ts';
import { TestCluster } from '../../test/links-fixture.ts';
import { scorerBundle, scorerCommand, skip } from '../../test/processes/index.ts';
import type { Provider } from '../providers/index.ts';
import { type ReplySink, type ServingLink, WorkerLost } from '../runtime/index.ts';
import { bytesOf } from '../tensor.ts';

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

    describe('with a process model', { skip }, () => {
      let link: ServingLink;
      before(async () => {
        const bundle = join(fixture.root, 'scorer.tar');
        writeFileSync(bundle, await scorerBundle());
        const process = { command: scorerCommand, environment: {}, concurrency: 1, startTimeoutMs: 20_000, unpackTimeoutMs: 20_000 };
        link = await started('test_affine', { id: 'p', artifact: storedModel(bundle), process });
      });
      after(() => provider.stop('p'));
      const call = (body: string, sink: ReplySink | null = null) =>
        link.invoke({ headers: { 'content-type': 'text/plain' }, body: Buffer.from(body) }, 1024 * 1024, sink, ['r1']);

      test('bytes and headers arrive, and replies and errors come back', async () => {
        const { reply } = await call('hello');
        const received = JSON.parse(reply.body.toString()) as { headers: Record<string, string>; body: string };
        assert.deepEqual([received.body, received.headers['content-type']], ['hello', 'text/plain']);
        const { status, body } = (await call('refuse:422')).reply;
        assert.deepEqual([status, body.toString()], [422, 'unexpected input']);
      });

      test('a reply is streamed with backpressure, and stops if its receiver fails', async () => {
        let bytes = 0;
        const release = Promise.withResolvers<void>();
        const begun = Promise.withResolvers<void>();
        const requested = call('stream:8000', {
          begin: () => begun.resolve(),
          piece: async (piece) => {
            await release.promise;
            bytes += piece.length;
          },
        });
        await begun.promise;
        assert.equal(await Promise.race([requested.then(() => true), new Promise((resolve) => setTimeout(resolve, 200, false))]), false);
        release.resolve();
        const { reply } = await requested;
        assert.deepEqual([reply.isStreamed, reply.body.length], [true, 0]);
        assert(bytes > 8_000_000);
        await assert.rejects(call('stream:100000', { begin: () => undefined, piece: () => Promise.reject(new Error('enough')) }), /enough/);
        assert.equal((await call('rows:1')).reply.status, 200);
      });

      test('a body in files arrives whole, and one that cannot be read fails its request alone', async () => {
        const paths = ['one', 'two'].map((name) => join(fixture.root, name));
        for (const path of paths) writeFileSync(path, 'x'.repeat(1_500_000));
        const files = { paths, bytes: 3_000_000 };
        const { reply } = await link.invoke({ headers: {}, body: Buffer.alloc(0), files }, 8 * 1024 * 1024);
        assert.equal((JSON.parse(reply.body.toString()) as { body: string }).body.length, 3_000_000);
        const missing = { paths: [join(fixture.root, 'missing')], bytes: 10 };
        await assert.rejects(link.invoke({ headers: {}, body: Buffer.alloc(0), files: missing }, 1024));
        assert.equal((await call('rows:1')).reply.status, 200);
      });
    });

    describe('with Python models', { skip: skipPython }, () => {
      test('a function of rows runs batches, and its errors come back', async () => {
        const link = await started('test_affine', { id: 'py', ...sumModel(fixture.root) });
        assert.deepEqual(await sumsOf(link, [1, 2], [3]), [3, 3]);
        await assert.rejects(sumsOf(link, [1], ['x' as unknown as number]), { code: 'model_failed', message: /TypeError/ });
        assert.deepEqual(await sumsOf(link, Array<number>(100_000).fill(1)), [100_000]);
        assert((await link.status()).rssBytes > 5e6);
        await provider.stop('py');
      });

      test('a stream arrives piece by piece', async () => {
        const link = await started('test_affine', { id: 'stream', ...streamModel(fixture.root) });
        const sizes: number[] = [];
        const sink = { begin: () => undefined, piece: (bytes: Buffer) => void sizes.push(bytes.length) };
        const { reply } = await link.invoke({ headers: { 'content-type': 'text/plain' }, body: Buffer.from('10') }, 1024, sink);
        assert.deepEqual([reply.isStreamed, sizes.reduce((sum, size) => sum + size, 0)], [true, 4_000_000]);
        await provider.stop('stream');
      });

      test('a ladder of two functions answers row by row, as a selection serves them', { skip: skipNumpy }, async () => {
        const link = await started('test_affine', { id: 'ladder', ...ladderModel(fixture.root) });
        const x = { name: 'x', datatype: 'FP32', shape: [3, 1], parts: [bytesOf(Float32Array.of(0.95, 0.5, 0.01))] } as const;
        const { outputs, rows } = await link.run([x]);
        assert.deepEqual([...new BigInt64Array(new Uint8Array(outputs[0]?.data ?? []).buffer)], [1n, 2n, 1n]);
        assert.deepEqual([...(rows?.stage ?? [])], [0, 1, 0]);
        await provider.stop('ladder');
      });

      test('a model whose code fails is reported with the reason', async () => {
        const model = sumModel(fixture.root);
        const entry = 'lib/missing.py';
        await provider.start(workerSpec('test_affine', { id: 'bad', ...model, python: { ...model.python, entry } as never }));
        const view = await viewWhere(provider, ({ reason }) => reason !== null);
        assert.match(view.reason ?? '', /lib\/missing\.py/);
        await provider.stop('bad');
      });
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

providerContract('this machine', async (fixture) => fixture.openLocal(undefined, undefined, (await openPythons()).interpreterOf));

providerContract('a host behind a link', async (fixture) => {
  const home = await fixture.openHome({ python: homePython });
  await fixture.openHost('h1', { pythons: await openPythons() });
  return home;
});

providerContract('a host behind a link with TLS', async (fixture) => {
  const cluster = await TestCluster.create();
  const [node, host] = [await cluster.identityOf({ role: 'node', name: 'a' }), await cluster.identityOf({ role: 'host', name: 'h1' })];
  const home = await fixture.openHome({ python: homePython });
  await fixture.openHost('h1', {
    pythons: await openPythons(),
    link: (near, far) => {
      const options = { minVersion: 'TLSv1.3', rejectUnauthorized: true } as const;
      // The name of a node is in its certificate as a URI, which the dialer checks.
      const agent = connect({
        socket: near,
        ca: host.authorities,
        cert: host.cert,
        key: host.key,
        ...options,
        checkServerIdentity: () => undefined,
      });
      const ofHome = new TLSSocket(far, {
        isServer: true,
        requestCert: true,
        ca: node.authorities,
        cert: node.cert,
        key: node.key,
        ...options,
      });
      return [agent, ofHome];
    },
  });
  return home;
});
