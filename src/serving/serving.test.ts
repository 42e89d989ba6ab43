import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openServingFixture, versionOf } from '../../test/serving-fixture.ts';
import { functionsDefault } from '../deployment/index.ts';

describe('a serverless variant', () => {
  test('is ready with nothing running, and visible to the batch controller', () => {
    const { serving, serve } = openServingFixture();
    serve(1);
    const view = serving.endpoint('e');
    assert.deepEqual([view?.isReady, view?.reason, view?.variants[0]?.executors], [true, null, []]);
    assert.deepEqual(view?.variants[0]?.functions?.environments, { starting: 0, idle: 0, busy: 0 });
    const [variant, ...others] = serving.functionVariants();
    assert.deepEqual([variant?.endpoint, variant?.variant, variant?.model.name, others], ['e', 'AllTraffic', 'm/1', []]);
  });

  test('records its cold starts and charges in log, ledger and metrics', async () => {
    const { serve, send, ready, pass, lines, ledger, metrics } = openServingFixture();
    serve(1);
    send('a');
    ready('f0');
    await pass(10);
    send('b');
    await pass(10);
    assert.deepEqual(
      lines.map(({ status, coldStart }) => [status, coldStart]),
      [
        ['ok', true],
        ['ok', false],
      ],
    );
    const usage = ledger.usage('e');
    assert.deepEqual([usage.invocations, usage.coldStarts, usage.instanceUsd], [2, 1, 0]);
    assert(Math.abs(usage.receiptsUsd / usage.functionUsd - 1) < 1e-12);
    const text = (await metrics.prometheus()).body.toString();
    assert.match(text, /penstock_stage_seconds_count\{endpoint="e",variant="AllTraffic",stage="batch_wait"\} [1-9]/);
    assert.match(text, /penstock_cold_starts_total\{endpoint="e",variant="AllTraffic"\} 1\n/);
    assert.match(text, /penstock_function_billed_ms_total\{endpoint="e",variant="AllTraffic"\} 70\n/);
  });

  test('of a new version takes over the arrival history of the old one', () => {
    const { serving, serve, send, clock } = openServingFixture();
    serve(1);
    for (let i = 0; i < 5; i++) {
      clock.advance(10);
      send(`r${i}`);
    }
    serve(2);
    const timesMs = () => [...(serving.functionVariants()[0]?.arrivalsMs() ?? [])];
    assert.equal(serving.functionVariants()[0]?.model.name, 'm/2');
    assert.deepEqual(timesMs(), [10, 20, 30, 40, 50]);
    clock.advance(10);
    send('r5');
    serve(1);
    assert.deepEqual(timesMs(), [10, 20, 30, 40, 50, 60], 'and back');
  });

  test('records the time and executor of a run whose client disconnected', async () => {
    const { clock, serve, send, ready, pass, lines } = openServingFixture();
    serve(1, { functions: { ...functionsDefault, maxConcurrency: 1 } });
    const leave = send('a');
    const leaveEarly = send('b');
    clock.advance(50);
    ready('f0');
    clock.advance(4);
    leaveEarly();
    leave();
    await pass(6);
    const [b, a] = lines;
    assert.deepEqual([b?.status, b?.queueMs, b?.computeMs, b?.batchRows, b?.executor], ['cancelled', 54, 0, 0, undefined]);
    assert.deepEqual([a?.status, a?.queueMs, a?.computeMs, a?.batchRows, a?.executor], ['cancelled', 50, 4, 1, 'function:2048']);
    assert.equal(a?.closeReason, 'idle');
  });

  test('of a new version starts its own functions; the old ones answer their requests, then end', async () => {
    const { serving, serve, send, ready, pass, codeOf, started, stopped } = openServingFixture();
    serve(1);
    send('a');
    ready('f0');
    send('b');
    ready('f1');
    serve(2);
    send('c');
    assert.deepEqual(
      started.map(({ model }) => model),
      ['m/1', 'm/1', 'm/2'],
    );
    await pass(10);
    assert.deepEqual([codeOf('a'), codeOf('b'), codeOf('c')], ['ok', 'ok', undefined]);
    assert.deepEqual(stopped.toSorted(), ['f0', 'f1']);
    ready('f2', 2048, versionOf(2));
    await pass(10);
    assert.equal(codeOf('c'), 'ok');
    assert.equal(serving.endpoint('e')?.variants[0]?.version.name, 'm/2');
  });

  test('passes waiting requests to its successor if its functions failed to start', async () => {
    const { serving, serve, send, ready, pass, codeOf, stopped, lines } = openServingFixture();
    serve(1);
    send('a');
    serve(2);
    serving.functionFailed('f0', 'no longer wanted');
    ready('f1', 2048, versionOf(2));
    await pass(10);
    assert.equal(codeOf('a'), 'ok');
    assert.deepEqual(
      lines.map(({ requestId, status }) => [requestId, status]),
      [['a', 'ok']],
      'it is counted and logged, regardless of the version that answered',
    );
    assert.equal(serving.traffic('e', 'AllTraffic').requests, 1);
    ready('f0');
    assert.deepEqual(stopped, ['f0', 'f0'], 'a late one is ended');
  });

  test('switches to instances and back without losing a request', async () => {
    const { serve, send, ready, pass, codeOf, stopped, kills } = openServingFixture();
    serve(1);
    send('a');
    ready('f0');
    ready('w0', null);
    serve(1, { instanceCount: 1 });
    send('b');
    assert(kills.has('w0'), 'the instance runs it');
    await pass(10);
    assert.deepEqual([codeOf('a'), codeOf('b'), stopped], ['ok', 'ok', ['f0']]);
    serve(1);
    send('c');
    ready('f1');
    await pass(10);
    assert.equal(codeOf('c'), 'ok');
  });

  test('reruns the batch of a killed function, and starts another', async () => {
    const { serve, send, ready, pass, codeOf, kills, started } = openServingFixture();
    serve(1);
    send('a');
    ready('f0');
    await pass(1);
    kills.get('f0')?.();
    await pass(1);
    assert.equal(started.length, 2);
    ready('f1');
    await pass(10);
    assert.equal(codeOf('a'), 'ok');
  });

  test('answers all requests when unloaded, ends its functions, and gets no more settings', async () => {
    const { serving, serve, send, ready, pass, codeOf, stopped } = openServingFixture();
    serve(1);
    send('a');
    const suspending = serving.suspend('e');
    assert.deepEqual(serving.functionVariants(), []);
    ready('f0');
    await pass(10);
    await suspending;
    assert.deepEqual([codeOf('a'), stopped], ['ok', ['f0']]);
    assert.throws(() => send('b'), { code: 'unavailable' });
    serve(1);
    send('c');
    ready('f1');
    await pass(10);
    assert.equal(codeOf('c'), 'ok');
    await serving.discard('e');
    assert.deepEqual([stopped, serving.endpoints()], [['f0', 'f1'], []]);
  });

  test('close leaves no timer and ends all functions', () => {
    const { clock, serving, serve, send, ready, started, stopped, ledger } = openServingFixture();
    serve(1, { functions: { ...functionsDefault, provisioned: 1 } });
    ready('f0');
    send('a');
    send('b');
    serving.close();
    assert.deepEqual([started.length, stopped.toSorted()], [2, ['f0', 'f1']]);
    const { instanceUsd } = ledger.usage('e');
    clock.advance(1_000_000);
    assert.equal(ledger.usage('e').instanceUsd, instanceUsd);
  });
});
