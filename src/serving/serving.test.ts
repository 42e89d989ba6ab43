/** Serving with serverless variants, on a clock that stands still and workers that are scripted. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../clock.ts';
import { defaultPrices, executorUsd, Ledger } from '../costs/index.ts';
import { type EndpointConfig, functionsDefault, type VariantConfig } from '../deployment/index.ts';
import { PlatformError } from '../errors.ts';
import { Metrics, openLogs, type RequestLine } from '../monitoring/index.ts';
import { type Profile, ServiceTable } from '../profiling/index.ts';
import { SeededRandom } from '../random.ts';
import type { ModelVersion } from '../registry/index.ts';
import { WorkerGone, type WorkerLink } from '../runtime/index.ts';
import { invokeParts } from './invoke-parts.ts';
import { invokeWhole, requestRowsMax } from './invoke-whole.ts';
import type { Outcome } from './request.ts';
import { Serving } from './serving.ts';

const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
} as const;
const timings = { inMs: 0, runMs: 0, outMs: 0 };

const versionOf = (number: number): ModelVersion =>
  ({ name: `m/${number}`, group: 'm', version: number, signature, batchable: true, runtime: { kind: 'onnx' } }) as unknown as ModelVersion;

function house({ service = [], plainLines = true }: { service?: Profile['service']; plainLines?: boolean } = {}) {
  const clock = new VirtualClock();
  const lines: RequestLine[] = [];
  const metrics = new Metrics({ processMetrics: false });
  const ledger = new Ledger(clock);
  const started: { id: string; model: string; memoryMiB: number }[] = [];
  const stopped: string[] = [];
  /** Ends the link of a worker under its run. */
  const kills = new Map<string, () => void>();
  const profile: Profile = {
    executor: 'x',
    service,
    measuredAtMs: 0,
    loadMs: 0,
    batchMax: Math.max(1, ...service.map(({ b }) => b)),
    notes: [],
  };
  const serving = new Serving({
    clock,
    random: new SeededRandom(1),
    metrics,
    ledger,
    log: openLogs(null, 'silent').platform,
    lines: {
      weightOf: (_endpoint, { isSpecial }) => (plainLines || isSpecial ? 1 : 0),
      isTraced: (requestId) => requestId === 'traced',
      write: (line) => void lines.push(line),
    },
    queueRowsMax: 100,
    serviceTable: () => new ServiceTable(profile),
    restart: () => assert.fail('nobody hangs'),
    functions: {
      prices: defaultPrices.functions,
      memoryMiBSafe: () => 2048,
      start: ({ version, memoryMiB }) => {
        const id = `f${started.length}`;
        started.push({ id, model: version.name, memoryMiB });
        return id;
      },
      stop: (id) => stopped.push(id),
    },
  });

  const ready = (id: string, functionMemoryMiB: number | null = 2048, version = versionOf(1)): void => {
    const link = {
      status: () => Promise.resolve({ rssBytes: 0 }),
      run: (tensors: readonly { readonly parts: readonly Uint8Array[] }[]) =>
        new Promise((resolve, reject) => {
          kills.set(id, () => reject(new WorkerGone('SIGKILL')));
          clock.after(10, () =>
            resolve({ outputs: tensors.map(({ parts, ...tensor }) => ({ ...tensor, name: 'y', data: Buffer.concat(parts) })), timings }),
          );
        }),
    } as unknown as WorkerLink;
    serving.attach({
      id,
      endpoint: 'e',
      variant: 'AllTraffic',
      generation: 1,
      version,
      instanceType: functionMemoryMiB === null ? 'local.1' : `function:${functionMemoryMiB}`,
      usdPerHour: functionMemoryMiB === null ? 1 : 0,
      functionMemoryMiB,
      coldStartMs: 50,
      threads: 1,
      link,
    });
  };
  /** With instances it has no functions. */
  const serve = (number: number, changes: Partial<VariantConfig> = {}, objective: EndpointConfig['objective'] = null): void => {
    const variant: VariantConfig = {
      name: 'AllTraffic',
      group: 'm',
      version: number,
      weight: 1,
      instanceCount: 0,
      instanceType: 'local.1',
      ...(changes.instanceCount === undefined ? { functions: functionsDefault } : {}),
      ...changes,
    };
    const config: EndpointConfig = { name: 'e', variants: [variant], objective, late: 'serve', timeoutMs: 60_000 };
    serving.serve({ config, generation: number, variants: [{ config: variant, version: versionOf(number) }] });
  };
  const outcomes = new Map<string, Outcome>();
  /** Its answer cancels. */
  const send = (requestId: string): (() => void) => {
    const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [1, 1], data: new Uint8Array(4) }];
    return serving.invoke(serving.route('e'), { requestId, inputs, rows: 1, arrivedAtMs: clock.nowMs() }, (outcome) => {
      assert(!outcomes.has(requestId));
      outcomes.set(requestId, outcome);
    });
  };
  const pass = async (ms: number): Promise<void> => {
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
    clock.advance(ms);
    for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  };
  const codeOf = (id: string): string | undefined => {
    const outcome = outcomes.get(id);
    return outcome === undefined ? undefined : outcome.ok ? 'ok' : outcome.error.code;
  };
  return { clock, serving, lines, metrics, ledger, started, stopped, kills, ready, serve, send, pass, codeOf };
}

test('what was refused as it stood waited for nobody, and never ran', () => {
  const { clock, serving, serve, lines } = house();
  serve(1, { instanceCount: 1 });
  const call = { requestId: 'r', rows: 0, arrivedAtMs: clock.nowMs() };
  clock.advance(2);
  serving.reject(serving.route('e'), call, new PlatformError('invalid_request', 'expected an input'));
  assert.deepEqual(
    lines.map(({ status, queueMs, computeMs, totalMs, executor }) => ({ status, queueMs, computeMs, totalMs, executor })),
    [{ status: 'invalid_request', queueMs: 0, computeMs: 0, totalMs: 2, executor: undefined }],
  );
});

test('who is plain has a line only where one is wanted; late, failed and traced ones always do, and all are counted', async () => {
  const { serve, send, ready, pass, lines, metrics } = house({ plainLines: false });
  serve(1, { instanceCount: 1 }, { percentile: 95, latencyMs: 15 });
  ready('i1', null);
  for (const [id, ms] of [
    ['plain', 10],
    ['traced', 10],
    ['late', 20],
  ] as const) {
    send(id);
    await pass(ms);
  }
  send('went away')();
  assert.deepEqual(
    lines.map(({ requestId, status }) => [requestId, status]),
    [
      ['traced', 'ok'],
      ['late', 'ok'],
      ['went away', 'cancelled'],
    ],
  );
  assert.match((await metrics.prometheus()).body.toString(), /penstock_requests_total\{[^}]*outcome="ok"[^}]*\} 3/);
});

test('of each version it is counted what was late, refused and failed, also of one that gets no requests yet', async () => {
  const { clock, serving, serve, send, ready, pass } = house();
  serve(1, { instanceCount: 1 }, { percentile: 95, latencyMs: 5 });
  ready('i1', null);
  ready('i2', null, versionOf(2));
  send('late');
  await pass(10);
  const call = { requestId: 'r', rows: 0, arrivedAtMs: clock.nowMs() };
  serving.reject(serving.route('e'), call, new PlatformError('invalid_request', 'expected an input'));
  serving.reject(serving.route('e'), call, new PlatformError('model_failed', 'it broke'));
  assert.deepEqual(serving.counted('E'), [
    { model: 'm/1', counts: { answered: 1, late: 1, failed: 1, refused: 1 } },
    { model: 'm/2', counts: { answered: 0, late: 0, failed: 0, refused: 0 } },
  ]);
});

test('who is refused or fails is counted beside those answered, and what a failed run took is told in money', async () => {
  const { clock, serving, serve, send, ready, pass, kills, ledger, codeOf } = house();
  serve(1, { instanceCount: 1 });
  ready('i0', null);
  send('answered');
  await pass(10);
  const { receiptsUsd } = ledger.usage('e');
  send('fails');
  let workedMs = 0;
  while (codeOf('fails') === undefined) {
    await pass(4);
    workedMs += 4;
    kills.get('i0')?.();
    await pass(0);
    serving.detach('i0');
    ready('i0', null);
  }
  const call = { requestId: 'r', rows: 0, arrivedAtMs: clock.nowMs() };
  serving.reject(serving.route('e'), call, new PlatformError('invalid_request', 'expected an input'));
  send('went away')();
  const usage = ledger.usage('e');
  assert.deepEqual([usage.requests, usage.failedRequests, usage.receiptsUsd], [1, 2, receiptsUsd]);
  assert(Math.abs(usage.failedRunsUsd / executorUsd(1, workedMs) - 1) < 1e-9, `${usage.failedRunsUsd}`);
});

test('receipts add up to what the instances worked, to one percent', async () => {
  const { serving, serve, send, ready, pass, ledger, clock } = house();
  serve(1, { instanceCount: 2 });
  for (const id of ['i0', 'i1']) ready(id, null);
  let workedMs = 0;
  const passOne = async (): Promise<void> => {
    workedMs += serving.endpoint('e')?.variants[0]?.executors.filter(({ isBusy }) => isBusy).length ?? 0;
    await pass(1);
  };
  for (let i = 0; i < 60; i++) {
    send(`r${i}`);
    for (let ms = 0; ms < 7 * (i % 3); ms++) await passOne();
  }
  while (ledger.usage('e').requests < 60) await passOne();
  const { receiptsUsd, instanceUsd } = ledger.usage('e');
  assert(Math.abs(receiptsUsd / executorUsd(1, workedMs) - 1) < 0.01);
  assert(Math.abs(instanceUsd / executorUsd(1, 2 * clock.nowMs()) - 1) < 0.01 && instanceUsd > receiptsUsd);
});

describe('a call of more rows than a batch holds', () => {
  const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [1, 1], data: new Uint8Array(4) }];
  const sendThree = ({ serving, clock }: ReturnType<typeof house>, timeoutMs?: number) => {
    const ends: unknown[] = [];
    const parts = [0, 1, 2].map(() => ({ of: 0, inputs, rows: 1 }));
    const call = { requestId: 'r', arrivedAtMs: clock.nowMs(), timeoutMs };
    const taker = { take: () => undefined, end: (error: unknown) => ends.push(error) };
    return { ends, cancel: invokeParts(serving, serving.route('e'), parts, call, taker) };
  };
  const counted = async ({ metrics }: ReturnType<typeof house>) =>
    (await metrics.prometheus()).body.toString().match(/penstock_(requests|rows)_total\{.*/g);
  const served = (): ReturnType<typeof house> => {
    const all = house();
    all.serve(1, { instanceCount: 1 });
    all.ready('i0', null);
    return all;
  };

  test('is one request in log, ledger, statistics and metrics, with the time and the price of all its parts', async () => {
    const all = served();
    const { ends } = sendThree(all);
    while (ends.length === 0) await all.pass(5);
    const [line] = all.lines;
    assert.deepEqual([ends, all.lines.length, line?.rows, line?.parts, line?.status], [[null], 1, 3, 3, 'ok']);
    assert(line !== undefined && line.computeMs > 15 && Math.abs(line.queueMs + line.computeMs + line.encodeMs - line.totalMs) < 1e-6);
    const { requests, receiptsUsd } = all.ledger.usage('e');
    assert.deepEqual([requests, receiptsUsd], [1, line.costUsd]);
    assert.equal(all.serving.endpoint('e')?.variants[0]?.statistics.success.count, 1);
    assert.deepEqual(await counted(all), [
      'penstock_requests_total{endpoint="e",variant="AllTraffic",outcome="ok"} 1',
      'penstock_rows_total{endpoint="e",variant="AllTraffic"} 3',
    ]);
  });

  test('that its client gave up, or that came too late, is one too', async () => {
    const all = served();
    sendThree(all).cancel();
    while (all.serving.endpoint('e')?.variants[0]?.executors.some(({ isBusy }) => isBusy)) await all.pass(5);
    const { ends } = sendThree(all, 15);
    while (ends.length === 0) await all.pass(5);
    for (let i = 0; i < 5; i++) await all.pass(5);
    assert.deepEqual(
      all.lines.map(({ status, rows, parts }) => [status, rows, parts]),
      [
        ['cancelled', 3, 3],
        ['deadline_exceeded', 3, 3],
      ],
    );
  });
});

describe('a request of more rows than a measured batch', () => {
  const served = (service: Profile['service']): ReturnType<typeof house> => {
    const all = house({ service });
    all.serve(1, { instanceCount: 1 });
    all.ready('i0', null);
    return all;
  };
  const upToTwo = [1, 2].map((b) => ({ b, p50Ms: 10, p95Ms: 10, p99Ms: 10, samples: [10], rssMiB: 1 }));
  const ask = async ({ serving, clock, pass }: ReturnType<typeof house>, rows: number): Promise<Outcome> => {
    const outcomes: Outcome[] = [];
    const data = new Uint8Array(new Float32Array(Array.from({ length: rows }, (_, row) => row)).buffer);
    const inputs = [{ name: 'x', datatype: 'FP32' as const, shape: [rows, 1], data }];
    invokeWhole(serving, serving.route('e'), { requestId: 'r', inputs, rows, arrivedAtMs: clock.nowMs() }, (outcome) =>
      outcomes.push(outcome),
    );
    while (outcomes.length === 0) await pass(5);
    assert.equal(outcomes.length, 1);
    return outcomes[0] as Outcome;
  };

  test('is answered as one, its rows in their order', async () => {
    const all = served(upToTwo);
    const outcome = await ask(all, 5);
    assert(outcome.ok, JSON.stringify(outcome));
    const [y] = outcome.result.outputs;
    assert.deepEqual(y?.shape, [5, 1]);
    assert.deepEqual([...new Float32Array(new Uint8Array(y.data).buffer)], [0, 1, 2, 3, 4]);
    assert.deepEqual(
      all.lines.map(({ status, rows, parts }) => [status, rows, parts]),
      [['ok', 5, 3]],
    );
    assert(Math.abs(outcome.result.costUsd - (all.lines[0]?.costUsd ?? 0)) < 1e-12);
  });

  test('took as long as has passed, though parts of it ran side by side: what they took is told as theirs', async () => {
    const all = served(upToTwo);
    all.ready('i1', null);
    const outcome = await ask(all, 6);
    assert(outcome.ok, JSON.stringify(outcome));
    const { timings, parts } = outcome.result;
    const [line] = all.lines;
    assert(line !== undefined);
    assert.deepEqual([parts, timings.queueMs + timings.serviceMs], [3, line.totalMs]);
    assert.deepEqual([timings.serviceMs, line.computeMs], [10, 10]);
  });

  test('that is no larger runs as it is', async () => {
    const all = served(upToTwo);
    assert.equal((await ask(all, 2)).ok, true);
    assert.deepEqual(
      all.lines.map(({ rows, parts }) => [rows, parts]),
      [[2, undefined]],
    );
  });

  test('may come whatever was measured: how many rows it may have is the same for slow models and quick ones', () => {
    assert.deepEqual([8, 16, 32].map(requestRowsMax), [32, 32, 32]);
    assert.equal(requestRowsMax(0), 0);
  });
});

describe('a serverless variant', () => {
  test('is ready without anything that runs, and is there for who chooses its setting', () => {
    const { serving, serve } = house();
    serve(1);
    const view = serving.endpoint('e');
    assert.deepEqual([view?.isReady, view?.reason, view?.variants[0]?.executors], [true, null, []]);
    assert.deepEqual(view?.variants[0]?.functions?.environments, { starting: 0, idle: 0, busy: 0 });
    const [variant, ...others] = serving.functionVariants();
    assert.deepEqual([variant?.endpoint, variant?.variant, variant?.model.name, others], ['e', 'AllTraffic', 'm/1', []]);
  });

  test('writes its cold starts and what it is billed for into log, ledger and metrics', async () => {
    const { serve, send, ready, pass, lines, ledger, metrics } = house();
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

  test('of a new version of its group knows the arrivals that came to the old one', () => {
    const { serving, serve, send, clock } = house();
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

  test('writes what a run took whose client left meanwhile, and where it ran', async () => {
    const { clock, serve, send, ready, pass, lines } = house();
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

  test('of a new version starts its own functions; those of the old answer what they have, and end', async () => {
    const { serving, serve, send, ready, pass, codeOf, started, stopped } = house();
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

  test('hands those who still wait to its successor where its functions did not come', async () => {
    const { serving, serve, send, ready, pass, codeOf, stopped, lines } = house();
    serve(1);
    send('a');
    serve(2);
    serving.functionFailed('f0', 'it is not wanted any more');
    ready('f1', 2048, versionOf(2));
    await pass(10);
    assert.equal(codeOf('a'), 'ok');
    assert.deepEqual(
      lines.map(({ requestId, status }) => [requestId, status]),
      [['a', 'ok']],
      'it is counted and logged, whoever answered it',
    );
    assert.equal(serving.traffic('e', 'AllTraffic').requests, 1);
    ready('f0');
    assert.deepEqual(stopped, ['f0', 'f0'], 'one that comes after all is ended');
  });

  test('goes over to instances, and back, without a request lost', async () => {
    const { serve, send, ready, pass, codeOf, stopped, kills } = house();
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

  test('takes a batch back from a function that was killed, and starts another', async () => {
    const { serve, send, ready, pass, codeOf, kills, started } = house();
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

  test('unloaded it answers everybody and has no functions left; its settings are not chosen any more', async () => {
    const { serving, serve, send, ready, pass, codeOf, stopped } = house();
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
    await serving.forget('e');
    assert.deepEqual([stopped, serving.endpoints()], [['f0', 'f1'], []]);
  });

  test('after close no timer is left: what was started is ended', () => {
    const { clock, serving, serve, send, ready, started, stopped, ledger } = house();
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
