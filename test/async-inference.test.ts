/** The guarantees of asynchronous inference under failures. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { AsyncSubmission } from '../src/async-inference/index.ts';
import { PlatformError } from '../src/errors.ts';
import { AsyncFixture, answered, leaseMs } from './async-fixture.ts';
import { openMemoryDatabase } from './empty-database.ts';
import { openPglite } from './pglite.ts';

const databases = [
  ['SQLite', openMemoryDatabase, 25],
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
  fails: () => Promise.reject(new PlatformError('model_failed', 'it failed')),
  refuses: () => Promise.reject(new PlatformError('invalid_request', 'no such columns')),
  'is away': () => Promise.reject(new PlatformError('unavailable', 'no server is available')),
} as const;

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

for (const [name, openDb, numRuns] of databases) {
  describe(`asynchronous inference on ${name}`, () => {
    const open = async (t: TestContext): Promise<AsyncFixture> => {
      const fixture = await AsyncFixture.open(await openDb());
      t.after(() => fixture.close());
      return fixture;
    };

    test('gives each accepted request one outcome, whatever is killed, paused, cancelled or fails', async () => {
      const law = async (script: Step[]): Promise<void> => {
        const fixture = await AsyncFixture.open(await openDb());
        let puts = 0;
        fixture.beforePut = () => turns((puts += 3) % 8); // so a kill can hit it
        let server = await fixture.start();
        const paused = [];
        const ids: string[] = [];
        for (const step of script) {
          if (step.kind === 'submit') {
            for (let i = 0; i < step.count; i++) {
              const order = fixture.order();
              await server.async.submit(order, Buffer.from(order.id));
              ids.push(order.id);
            }
          } else if (step.kind === 'pass') fixture.clock.advance(step.ms);
          else if (step.kind === 'model') fixture.script = step.does === 'hangs' ? fixture.hangs : scripts[step.does];
          else if (step.kind === 'cancel') await server.async.cancel(ids[0] ?? '').catch(() => undefined);
          else {
            if (step.kind === 'restart') server.kill();
            else {
              server.pause();
              paused.push(server);
            }
            server = await fixture.start();
          }
          await turns(20);
        }
        fixture.script = answered;
        for (const each of paused) each.resume();
        const all = await fixture.finished(server, ids);
        await turns(50);
        const reported = await fixture.notifications();
        for (const { id, state, output, failure } of all) {
          assert.equal(reported.get(id) ?? 0, 1, `${id} is ${state}`);
          assert.equal(await fixture.read(output.bucket, output.key), state === 'succeeded' ? `<${id}>` : null);
          const failed = await fixture.read(failure?.bucket ?? '', failure?.key ?? '');
          assert.equal(failed !== null, state === 'failed' || state === 'expired');
        }
        assert.equal((await fixture.jobs.state('async/digits')).backlog, 0);
        server.kill();
        for (const each of paused) each.kill();
        await fixture.close();
      };
      await fc.assert(fc.asyncProperty(steps, law), { numRuns, endOnFailure: true });
    });

    test('sets a failing request aside and serves the others meanwhile', async (t) => {
      const fixture = await open(t);
      fixture.capacity = { executors: 1, instances: 1, batchRows: 1, acceptsFiles: false, concurrency: 1 };
      fixture.script = async (order) => {
        if (order.body.toString() === 'poison') throw new PlatformError('model_failed', 'its worker crashed');
        return answered(order);
      };
      const server = await fixture.start();
      const orders = ['poison', 'a', 'b', 'c'].map((body) => ({ body, ...fixture.order() }));
      for (const { body, ...order } of orders) await server.async.submit(order, Buffer.from(body));
      const [poison, ...others] = await fixture.finished(
        server,
        orders.map(({ id }) => id),
      );
      assert(poison !== undefined);
      assert.deepEqual([poison.state, poison.reason], ['failed', 'after 4 attempts: its worker crashed']);
      for (const other of others) assert.equal(other.state, 'succeeded');
      assert((others[2]?.finishedAtMs ?? Number.NaN) < (poison.finishedAtMs ?? 0), 'no other request waited for it');
      const failure = JSON.parse((await fixture.read('b-fails', `${poison.id}-error.out`)) ?? '') as Record<string, unknown>;
      assert.deepEqual([failure['inferenceId'], failure['code']], [poison.id, 'model_failed']);
      // The model was repaired.
      fixture.script = answered;
      await server.async.retry(poison.id);
      const [mended] = await fixture.finished(server, [poison.id]);
      assert.equal(mended?.state, 'succeeded');
      assert.equal(await fixture.read('b-outs', `${poison.id}.out`), '<poison>');
      await server.async.close();
    });

    test('reports a missing input, an oversized input and an unwritable output', async (t) => {
      const fixture = await open(t);
      fixture.bodyBytesMax = 100;
      const server = await fixture.start();
      await fixture.s3.put('b-ins', 'large', Buffer.alloc(101));
      await fixture.s3.put('b-ins', 'fine', Buffer.from('fine'));
      const orders = [
        fixture.order({ input: { bucket: 'b-ins', key: 'gone' } }),
        fixture.order({ input: { bucket: 'b-ins', key: 'large' } }),
        fixture.order({ input: { bucket: 'b-ins', key: 'fine' }, output: { bucket: 'b-missing', key: 'x' } }),
        fixture.order({ input: { bucket: 'b-ins', key: 'fine' }, failure: null }),
      ];
      for (const order of orders) await server.async.submit(order, null);
      const all = await fixture.finished(
        server,
        orders.map(({ id }) => id),
      );
      assert.deepEqual(
        all.map(({ state }) => state),
        ['failed', 'failed', 'failed', 'succeeded'],
      );
      assert.match(all[0]?.reason ?? '', /s3:\/\/b-ins\/gone does not exist/);
      assert.match(all[1]?.reason ?? '', /101 bytes: expected at most 100/);
      assert.match(all[2]?.reason ?? '', /failed to write the output to s3:\/\/b-missing\/x: The specified bucket does not exist/);
      await server.async.close();
    });

    test('deletes the stored body of a request once it is no longer needed', async (t) => {
      const fixture = await open(t);
      fixture.retentionMs = 60_000;
      const server = await fixture.start();
      const orders = ['done', 'cancelled', 'failed'].map((key) => fixture.order({ input: { bucket: 'b-ins', key }, ownsInput: true }));
      const [done, cancelled, failed] = orders as [AsyncSubmission, AsyncSubmission, AsyncSubmission];
      for (const { input } of orders) await fixture.s3.put('b-ins', input?.key ?? '', Buffer.from('x'));
      await server.async.submit(done, null);
      await fixture.finished(server, [done.id]);
      fixture.capacity = { executors: 0, instances: 0, batchRows: 1, acceptsFiles: false, concurrency: null };
      await server.async.submit(cancelled, null);
      await server.async.cancel(cancelled.id);
      fixture.capacity = null;
      await server.async.submit(failed, null);
      await fixture.finished(server, [failed.id]);
      await turns(20);
      const left = async () => (await fixture.s3.list('b-ins', { itemsMax: 10 })).objects.map(({ key }) => key);
      assert.deepEqual(await left(), ['failed'], 'it can be retried');
      fixture.clock.advance(fixture.retentionMs);
      await fixture.until('it is deleted', async () => (await server.async.find(failed.id)) === null);
      await fixture.until('its body is deleted', async () => (await left()).length === 0);
      await server.async.close();
    });

    test('retains accepted requests while the disk is full, and fails those of a deleted endpoint', async (t) => {
      const fixture = await open(t);
      const server = await fixture.start();
      let full = 6;
      fixture.beforePut = async () => {
        if (full-- > 0) throw new PlatformError('unavailable', 'the disk is full');
      };
      const retained = fixture.order();
      await server.async.submit(retained, Buffer.from('x'));
      const [saved] = await fixture.finished(server, [retained.id]);
      assert.deepEqual([saved?.state, saved?.troubles, saved?.failures], ['succeeded', 6, 0]);
      fixture.capacity = null;
      const orphan = fixture.order();
      await server.async.submit(orphan, Buffer.from('x'));
      const [gone] = await fixture.finished(server, [orphan.id]);
      assert.deepEqual([gone?.state, gone?.reason], ['failed', 'endpoint digits was deleted before the request ran']);
      await server.async.close();
    });

    test('waits while no worker can serve, until the time to live ends; long runs renew their lease', async (t) => {
      const fixture = await open(t);
      fixture.capacity = { executors: 0, instances: 0, batchRows: 1, acceptsFiles: false, concurrency: null };
      const server = await fixture.start();
      const [short, long] = [fixture.order({ ttlMs: 60_000 }), fixture.order()];
      for (const order of [short, long]) await server.async.submit(order, Buffer.from('x'));
      const [expired] = await fixture.finished(server, [short.id]);
      assert.equal(expired?.state, 'expired');
      assert.match(expired?.reason ?? '', /expired after 6\d s \(time to live 60 s\): no executor was available/);
      let end = (): void => undefined;
      let runs = 0;
      fixture.script = async (order) => {
        runs++;
        await new Promise<void>((resolve) => (end = resolve));
        return answered(order);
      };
      fixture.capacity = { executors: 1, instances: 1, batchRows: 1, acceptsFiles: false, concurrency: null };
      const other = await fixture.start(); // would take over requests whose server is silent
      await fixture.until('it runs', () => runs === 1);
      for (let i = 0; i < 40; i++) {
        fixture.clock.advance(leaseMs / 4);
        await turns(10);
      }
      assert.equal(runs, 1);
      end();
      const [done] = await fixture.finished(server, [long.id]);
      assert.equal(done?.state, 'succeeded');
      await server.async.close();
      await other.async.close();
    });

    test('notifies topics that have a URL, with the response if requested', async (t) => {
      const fixture = await open(t);
      const server = await fixture.start();
      const topic = 'arn:aws:sns:us-east-1:000000000000:done';
      const order = fixture.order({ notified: { success: topic, error: 'unknown', withAnswer: { success: true, error: false } } });
      await server.async.submit(order, Buffer.from('x'));
      await fixture.finished(server, [order.id]);
      const [reported] = await fixture.deliveries();
      const { eventTime, receivedTime, ...rest } = reported ?? {};
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
      fixture.script = scripts.refuses;
      const refused = fixture.order({ notified: { success: null, error: topic, withAnswer: { success: false, error: false } } });
      await server.async.submit(refused, Buffer.from('x'));
      await fixture.finished(server, [refused.id]);
      const [failed] = await fixture.deliveries();
      assert.deepEqual([failed?.['invocationStatus'], failed?.['failureReason']], ['Failed', 'no such columns']);
      await server.async.close();
    });

    test('notifies about expired and cancelled requests as about failed ones', async (t) => {
      const fixture = await open(t);
      fixture.capacity = { executors: 0, instances: 0, batchRows: 1, acceptsFiles: false, concurrency: null };
      const server = await fixture.start();
      const notified = { success: null, error: 'arn:aws:sns:us-east-1:000000000000:done', withAnswer: { success: false, error: false } };
      const [late, unwanted] = [fixture.order({ notified, ttlMs: 60_000 }), fixture.order({ notified })];
      for (const order of [late, unwanted]) await server.async.submit(order, Buffer.from('x'));
      await server.async.cancel(unwanted.id);
      await assert.rejects(server.async.cancel(unwanted.id), /is cancelled: only queued ones/);
      const [cancelled, ...others] = await fixture.deliveries();
      const { url, invocationStatus, failureReason, inferenceId, responseParameters } = cancelled ?? {};
      assert.deepEqual([url, invocationStatus, failureReason], ['https://example.org/done', 'Failed', 'the request was cancelled']);
      assert.deepEqual([inferenceId, responseParameters, others], [unwanted.id, undefined, []], 'one notification, without an object');
      await fixture.finished(server, [late.id]);
      const [expired] = await fixture.deliveries();
      assert.equal(expired?.['inferenceId'], late.id);
      assert.match(String(expired?.['failureReason']), /^expired after 6\d s/);
      assert.deepEqual(await fixture.notifications(), new Map([late, unwanted].map(({ id }) => [id, 1])));
      await server.async.close();
    });
  });
}
