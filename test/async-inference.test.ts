/** What asynchronous inference promises, whatever goes wrong meanwhile. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { AsyncOrder } from '../src/async-inference/index.ts';
import { PlatformError } from '../src/errors.ts';
import { openDatabase } from '../src/storage/index.ts';
import { AsyncHouse, answered, leaseMs } from './async-house.ts';
import { openPglite } from './pglite.ts';

const databases = [
  ['SQLite', () => openDatabase({ file: ':memory:', synchronous: 'NORMAL' }), 25],
  ['PGlite', openPglite, 2],
] as const;

type Step =
  | { readonly kind: 'submit'; readonly count: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'restart' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'model'; readonly does: 'answers' | 'fails' | 'hangs' | 'refuses' | 'is away' }
  | { readonly kind: 'cancel' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('submit' as const), count: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 40_000 }) }),
    fc.constant({ kind: 'restart' as const }),
    fc.constant({ kind: 'pause' as const }),
    fc.record({
      kind: fc.constant('model' as const),
      does: fc.constantFrom('answers' as const, 'fails' as const, 'hangs' as const, 'refuses' as const, 'is away' as const),
    }),
    fc.constant({ kind: 'cancel' as const }),
  ),
  { minLength: 4, maxLength: 14 },
);

const scripts = {
  answers: answered,
  fails: () => Promise.reject(new PlatformError('model_failed', 'it breaks')),
  refuses: () => Promise.reject(new PlatformError('invalid_request', 'no such columns')),
  'is away': () => Promise.reject(new PlatformError('unavailable', 'nobody is there')),
} as const;

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

for (const [name, openDb, numRuns] of databases) {
  describe(`asynchronous inference on ${name}`, () => {
    const open = async (t: TestContext): Promise<AsyncHouse> => {
      const house = await AsyncHouse.open(await openDb());
      t.after(() => house.close());
      return house;
    };

    test('gives each accepted request one outcome, whatever is killed, paused, cancelled or fails', async () => {
      const law = async (script: Step[]): Promise<void> => {
        const house = await AsyncHouse.open(await openDb());
        let puts = 0;
        house.beforePut = () => turns((puts += 3) % 8); // so that a kill may hit it
        let server = await house.start();
        const paused = [];
        const ids: string[] = [];
        for (const step of script) {
          if (step.kind === 'submit') {
            for (let i = 0; i < step.count; i++) {
              const order = house.order();
              await server.async.submit(order, Buffer.from(order.id));
              ids.push(order.id);
            }
          } else if (step.kind === 'pass') house.clock.advance(step.ms);
          else if (step.kind === 'model') house.script = step.does === 'hangs' ? house.hangs : scripts[step.does];
          else if (step.kind === 'cancel') await server.async.cancel(ids[0] ?? '').catch(() => undefined);
          else {
            if (step.kind === 'restart') server.kill();
            else {
              server.pause();
              paused.push(server);
            }
            server = await house.start();
          }
          await turns(20);
        }
        house.script = answered;
        for (const each of paused) each.resume();
        const all = await house.finished(server, ids);
        await turns(50);
        const told = await house.told();
        for (const { id, state, output, failure } of all) {
          assert.equal(told.get(id) ?? 0, 1, `${id} is ${state}`);
          assert.equal(await house.read(output.bucket, output.key), state === 'succeeded' ? `<${id}>` : null);
          const failed = await house.read(failure?.bucket ?? '', failure?.key ?? '');
          assert.equal(failed !== null, state === 'failed' || state === 'expired');
        }
        assert.equal((await house.jobs.state('async/digits')).backlog, 0);
        server.kill();
        for (const each of paused) each.kill();
        await house.close();
      };
      await fc.assert(fc.asyncProperty(steps, law), { numRuns, endOnFailure: true });
    });

    test('puts a poisonous request aside, and serves the others meanwhile', async (t) => {
      const house = await open(t);
      house.capacity = { executors: 1, instances: 1, batchRows: 1, takesFiles: false, concurrency: 1 };
      house.script = async (order) => {
        if (order.body.toString() === 'poison') throw new PlatformError('model_failed', 'a worker died under it');
        return answered(order);
      };
      const server = await house.start();
      const orders = ['poison', 'a', 'b', 'c'].map((body) => ({ body, ...house.order() }));
      for (const { body, ...order } of orders) await server.async.submit(order, Buffer.from(body));
      const [poison, ...others] = await house.finished(
        server,
        orders.map(({ id }) => id),
      );
      assert(poison !== undefined);
      assert.deepEqual([poison.state, poison.reason], ['failed', 'after 4 tries: a worker died under it']);
      for (const other of others) assert.equal(other.state, 'succeeded');
      assert((others[2]?.finishedAtMs ?? Number.NaN) < (poison.finishedAtMs ?? 0), 'nobody waited for it');
      const failure = JSON.parse((await house.read('b-fails', `${poison.id}-error.out`)) ?? '') as Record<string, unknown>;
      assert.deepEqual([failure['inferenceId'], failure['code']], [poison.id, 'model_failed']);
      // Somebody mended the model.
      house.script = answered;
      await server.async.retry(poison.id);
      const [mended] = await house.finished(server, [poison.id]);
      assert.equal(mended?.state, 'succeeded');
      assert.equal(await house.read('b-outs', `${poison.id}.out`), '<poison>');
      await server.async.close();
    });

    test('says what is wrong with an input that is not there, too large, or an output that cannot be written', async (t) => {
      const house = await open(t);
      house.bodyBytesMax = 100;
      const server = await house.start();
      await house.s3.put('b-ins', 'large', Buffer.alloc(101));
      await house.s3.put('b-ins', 'fine', Buffer.from('fine'));
      const orders = [
        house.order({ input: { bucket: 'b-ins', key: 'gone' } }),
        house.order({ input: { bucket: 'b-ins', key: 'large' } }),
        house.order({ input: { bucket: 'b-ins', key: 'fine' }, output: { bucket: 'b-nobody', key: 'x' } }),
        house.order({ input: { bucket: 'b-ins', key: 'fine' }, failure: null }),
      ];
      for (const order of orders) await server.async.submit(order, null);
      const all = await house.finished(
        server,
        orders.map(({ id }) => id),
      );
      assert.deepEqual(
        all.map(({ state }) => state),
        ['failed', 'failed', 'failed', 'succeeded'],
      );
      assert.match(all[0]?.reason ?? '', /s3:\/\/b-ins\/gone is not there/);
      assert.match(all[1]?.reason ?? '', /101 bytes, and at most 100/);
      assert.match(all[2]?.reason ?? '', /could not be written to s3:\/\/b-nobody\/x: The specified bucket does not exist/);
      await server.async.close();
    });

    test('removes the body that was kept for a request alone, once it is not needed any more', async (t) => {
      const house = await open(t);
      house.keptMs = 60_000;
      const server = await house.start();
      const orders = ['done', 'cancelled', 'failed'].map((key) => house.order({ input: { bucket: 'b-ins', key }, ownsInput: true }));
      const [done, cancelled, failed] = orders as [AsyncOrder, AsyncOrder, AsyncOrder];
      for (const { input } of orders) await house.s3.put('b-ins', input?.key ?? '', Buffer.from('x'));
      await server.async.submit(done, null);
      await house.finished(server, [done.id]);
      house.capacity = { executors: 0, instances: 0, batchRows: 1, takesFiles: false, concurrency: null };
      await server.async.submit(cancelled, null);
      await server.async.cancel(cancelled.id);
      house.capacity = null;
      await server.async.submit(failed, null);
      await house.finished(server, [failed.id]);
      await turns(20);
      const left = async () => (await house.s3.list('b-ins', { itemsMax: 10 })).objects.map(({ key }) => key);
      assert.deepEqual(await left(), ['failed'], 'it may be asked for again');
      house.clock.advance(house.keptMs);
      await house.until('it is forgotten', async () => (await server.async.find(failed.id)) === null);
      await house.until('its body is gone', async () => (await left()).length === 0);
      await server.async.close();
    });

    test('keeps what it accepted while the disk is full, and fails what an endpoint that was deleted had', async (t) => {
      const house = await open(t);
      const server = await house.start();
      let full = 6;
      house.beforePut = async () => {
        if (full-- > 0) throw new PlatformError('unavailable', 'the disk is full');
      };
      const kept = house.order();
      await server.async.submit(kept, Buffer.from('x'));
      const [saved] = await house.finished(server, [kept.id]);
      assert.deepEqual([saved?.state, saved?.troubles, saved?.failures], ['succeeded', 6, 0]);
      house.capacity = null;
      const orphan = house.order();
      await server.async.submit(orphan, Buffer.from('x'));
      const [gone] = await house.finished(server, [orphan.id]);
      assert.deepEqual([gone?.state, gone?.reason], ['failed', 'endpoint digits was deleted before it was worked on']);
      await server.async.close();
    });

    test('waits while nobody can serve, until the time to live is over; runs that last keep their lease', async (t) => {
      const house = await open(t);
      house.capacity = { executors: 0, instances: 0, batchRows: 1, takesFiles: false, concurrency: null };
      const server = await house.start();
      const [short, long] = [house.order({ ttlMs: 60_000 }), house.order()];
      for (const order of [short, long]) await server.async.submit(order, Buffer.from('x'));
      const [expired] = await house.finished(server, [short.id]);
      assert.equal(expired?.state, 'expired');
      assert.match(expired?.reason ?? '', /expired: after 6\d s, of 60 s to live, nobody was free/);
      let end = (): void => undefined;
      let runs = 0;
      house.script = async (order) => {
        runs++;
        await new Promise<void>((resolve) => (end = resolve));
        return answered(order);
      };
      house.capacity = { executors: 1, instances: 1, batchRows: 1, takesFiles: false, concurrency: null };
      const other = await house.start(); // would take what nobody is heard of any more
      await house.until('it runs', () => runs === 1);
      for (let i = 0; i < 40; i++) {
        house.clock.advance(leaseMs / 4);
        await turns(10);
      }
      assert.equal(runs, 1);
      end();
      const [done] = await house.finished(server, [long.id]);
      assert.equal(done?.state, 'succeeded');
      await server.async.close();
      await other.async.close();
    });

    test('tells the topics that have a URL, with the answer where that was asked for', async (t) => {
      const house = await open(t);
      const server = await house.start();
      const topic = 'arn:aws:sns:us-east-1:000000000000:done';
      const order = house.order({ notified: { success: topic, error: 'nobody', withAnswer: { success: true, error: false } } });
      await server.async.submit(order, Buffer.from('x'));
      await house.finished(server, [order.id]);
      const [told] = await house.deliveries();
      const { eventTime, receivedTime, ...rest } = told ?? {};
      assert.deepEqual(rest, {
        url: 'https://example.org/done',
        awsRegion: 'us-east-1',
        invocationStatus: 'Completed',
        requestParameters: { contentType: 'text/plain', endpointName: 'digits' },
        responseParameters: { contentType: 'text/plain', outputLocation: `s3://b-outs/${order.id}.out` },
        responseBody: { content: Buffer.from('<x>').toString('base64'), encoding: 'BASE64' },
        inferenceId: order.id,
        eventVersion: '1.0',
        eventSource: 'aws:sagemaker',
        eventName: 'InferenceResult',
      });
      assert(typeof eventTime === 'string' && typeof receivedTime === 'string');
      house.script = scripts.refuses;
      const refused = house.order({ notified: { success: null, error: topic, withAnswer: { success: false, error: false } } });
      await server.async.submit(refused, Buffer.from('x'));
      await house.finished(server, [refused.id]);
      const [failed] = await house.deliveries();
      assert.deepEqual([failed?.['invocationStatus'], failed?.['failureReason']], ['Failed', 'no such columns']);
      await server.async.close();
    });

    test('tells of those that expired or were cancelled as of those that failed', async (t) => {
      const house = await open(t);
      house.capacity = { executors: 0, instances: 0, batchRows: 1, takesFiles: false, concurrency: null };
      const server = await house.start();
      const notified = { success: null, error: 'arn:aws:sns:us-east-1:000000000000:done', withAnswer: { success: false, error: false } };
      const [late, unwanted] = [house.order({ notified, ttlMs: 60_000 }), house.order({ notified })];
      for (const order of [late, unwanted]) await server.async.submit(order, Buffer.from('x'));
      await server.async.cancel(unwanted.id);
      await assert.rejects(server.async.cancel(unwanted.id), /is cancelled: only queued ones/);
      const [cancelled, ...others] = await house.deliveries();
      const { url, invocationStatus, failureReason, inferenceId, responseParameters } = cancelled ?? {};
      assert.deepEqual([url, invocationStatus, failureReason], ['https://example.org/done', 'Failed', 'it was cancelled']);
      assert.deepEqual([inferenceId, responseParameters, others], [unwanted.id, undefined, []], 'told once, and of no object');
      await house.finished(server, [late.id]);
      const [expired] = await house.deliveries();
      assert.equal(expired?.['inferenceId'], late.id);
      assert.match(String(expired?.['failureReason']), /^it expired: after 6\d s/);
      assert.deepEqual(await house.told(), new Map([late, unwanted].map(({ id }) => [id, 1])));
      await server.async.close();
    });
  });
}
