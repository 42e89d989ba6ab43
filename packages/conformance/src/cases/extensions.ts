/** Cases X1 to X3, X6 and X7: statistics, configuration, repository, classification, and unsupported features. */
import assert from 'node:assert/strict';
import { flat, ok, outputOf } from '../assertions.ts';
import type { Case } from '../case.ts';
import { ModelUnderTest } from '../client/subject.ts';
import type { Target } from '../client/target.ts';
import type { Json, WireReply } from '../client/wire.ts';
import { rowsOf } from '../rows.ts';
import { loadMsMax, unknownModelName } from './server.ts';
import { occupyServer, slowLoop } from './slow-loop.ts';

const durations = ['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output', 'cache_hit', 'cache_miss'];

type Duration = { readonly count: number; readonly ns: number };
/** The entry of one model version in the statistics extension. */
export interface ReportedStatistics {
  readonly version: string;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<string, Duration>>;
  readonly batch_stats: readonly { readonly batch_size: number; readonly compute_infer: Duration }[];
}

export async function readStatistics(target: Target, model: string): Promise<ReportedStatistics> {
  const [stats] = ok(await target.wire.send(`/v2/models/${model}/stats`))['model_stats'] as ReportedStatistics[];
  assert(stats !== undefined, `'model_stats' must have an entry`);
  return stats;
}

function runs({ batch_stats: batches }: ReportedStatistics): number {
  return batches.reduce((sum, { compute_infer: infer }) => sum + infer.count, 0);
}

function rows({ batch_stats: batches }: ReportedStatistics): number {
  return batches.reduce((sum, { batch_size: size, compute_infer: infer }) => sum + size * infer.count, 0);
}

async function digits(target: Target, model: string): Promise<ModelUnderTest> {
  return new ModelUnderTest(model, ok(await target.wire.send(`/v2/models/${model}`)));
}

/** Concurrent requests of one and two rows: 30 rows in 20 requests. */
async function twenty(target: Target, model: string): Promise<void> {
  const { inputs } = await digits(target, model);
  const requests = Array.from({ length: 20 }, (_, index) => rowsOf(inputs, (index % 2) + 1));
  for (const reply of await Promise.all(requests.map((request) => target.infer(model, request)))) ok(reply);
}

export const extensionCases: readonly Case[] = [
  {
    id: 'X1',
    level: 'extension',
    extension: 'statistics',
    promise: 'statistics are exact and never decrease',
    async run(target) {
      const model = await target.fixture('digits');
      const before = await readStatistics(target, model);
      for (const key of durations) {
        const { count, ns } = before.inference_stats[key] ?? {};
        assert(Number.isSafeInteger(count) && Number.isSafeInteger(ns), `${key} must have count and ns`);
      }
      assert.equal(typeof before.version, 'string');
      await twenty(target, model);
      const wrong = { inputs: [{ name: 'pixels', datatype: 'INT8', shape: [1, 64], data: new Array(64).fill(0) }] };
      assert.equal((await target.infer(model, wrong)).status >= 400, true);
      const after = await readStatistics(target, model);
      const grown = (key: string): number => (after.inference_stats[key]?.count ?? 0) - (before.inference_stats[key]?.count ?? 0);
      assert.equal(after.inference_count - before.inference_count, 30, 'inference_count must count rows');
      assert.deepEqual(
        [grown('success'), grown('queue'), grown('compute_infer')],
        [20, 20, 20],
        'success, queue and compute_infer must count requests',
      );
      if (target.isPenstock) assert.equal(grown('fail'), 1, 'fail must count rejected requests');
      const executions = after.execution_count - before.execution_count;
      assert(executions >= 1 && executions <= 20, `execution_count must count runs: it grew by ${executions} with 20 requests`);
      assert.equal(runs(after) - runs(before), executions, 'batch_stats must count runs');
      assert.equal(rows(after) - rows(before), 30, 'batch_stats must be split by batch size');
      for (const key of durations) {
        const [was, is] = [before.inference_stats[key] as Duration, after.inference_stats[key] as Duration];
        assert(is.count >= was.count && is.ns >= was.ns, `${key} must never decrease`);
      }
      const all = ok(await target.wire.send('/v2/models/stats'))['model_stats'] as Json[];
      assert(
        all.some(({ name }) => name === model),
        '/v2/models/stats must list every model',
      );
    },
  },
  {
    id: 'X2',
    level: 'extension',
    extension: 'model_configuration',
    promise: 'the configuration has what perf_analyzer needs',
    async run(target) {
      const { name } = target.subject;
      const config = ok(await target.wire.send(`/v2/models/${name}/config`));
      const metadata = ok(await target.wire.send(`/v2/models/${name}`));
      const { max_batch_size: most = 0 } = config as { max_batch_size?: number };
      assert(Number.isInteger(most) && most >= 0, `max_batch_size must be an integer, got ${most}`);
      assertTensors(config['input'], metadata['inputs'], most > 0);
      assertTensors(config['output'], metadata['outputs'], most > 0);
      const { decoupled } = (config['model_transaction_policy'] ?? { decoupled: false }) as { decoupled: unknown };
      const { enable } = (config['response_cache'] ?? { enable: false }) as { enable: unknown };
      assert.deepEqual([typeof decoupled, typeof enable], ['boolean', 'boolean'], 'decoupled and enable must be booleans');
      if (target.isPenstock) assert.equal('dynamic_batching' in config, most > 0);
    },
  },
  {
    id: 'X3',
    level: 'extension',
    extension: 'model_repository',
    promise: 'index, load and unload; a second load reloads; requests in flight finish',
    async run(target) {
      target.requireReload();
      const model = await target.fixture('slow');
      try {
        await unloads(target, model);
      } finally {
        await post(target, `/v2/repository/models/${model}/load`);
      }
      await loads(target, model);
    },
  },
  {
    id: 'X6',
    level: 'extension',
    extension: 'classification',
    promise: 'classification returns the top classes as value:index, best first',
    async run(target) {
      const model = await target.fixture('digits');
      const request = rowsOf((await digits(target, model)).inputs, 2);
      const output = async (parameters: Json): Promise<Json> =>
        outputOf(await target.answer(model, { ...request, outputs: [{ name: 'probabilities', parameters }] }), 'probabilities');
      const probabilities = flat((await output({}))['data']) as number[];
      const best = await output({ classification: 3 });
      assert.deepEqual([best['datatype'], best['shape']], ['BYTES', [2, 3]]);
      const expected = [0, 1].flatMap((row) => best3(probabilities.slice(row * 10, row * 10 + 10)));
      const words = (flat(best['data']) as string[]).map((word) => word.split(':'));
      assert.deepEqual(
        words.map(([, index]) => Number(index)),
        expected.map(({ index }) => index),
        'the classes must be sorted by value, ties by index',
      );
      for (const [place, [value]] of words.entries()) {
        assert(Math.abs(Number(value) - (expected[place]?.value ?? 0)) < 1e-5, `class ${place} must have its value, got ${String(value)}`);
      }
      assert.deepEqual((await output({ classification: 99 }))['shape'], [2, 10], 'no more classes than exist');
    },
  },
  {
    id: 'X7',
    level: 'should',
    promise: 'features that are not announced are rejected cleanly: shared memory, tracing, logging, sequences',
    async run(target) {
      const { subject } = target;
      const refuses = async (reply: WireReply, what: string, text: string): Promise<void> => {
        if (target.isPenstock) return target.refused(reply, 501, text);
        assert(reply.status >= 400, `${what} is not announced, but the server returned ${reply.status}`);
        await target.assertUsual(await target.ask(subject.request()));
      };
      const places = {
        system_shared_memory: '/v2/systemsharedmemory/status',
        cuda_shared_memory: '/v2/cudasharedmemory/region/r/register',
        trace: '/v2/trace/setting',
        logging: '/v2/logging',
      };
      for (const [extension, path] of Object.entries(places)) {
        if (target.has(extension)) continue;
        await refuses(await target.wire.send(path), path, `${path} is not supported by this server`);
      }
      if (!target.has('system_shared_memory')) {
        const region = { shared_memory_region: 'r', shared_memory_byte_size: 24 };
        const shared = await target.ask(subject.request({ data: undefined, parameters: region }));
        await refuses(shared, 'shared memory', `input '${subject.first.name}': shared memory is not supported by this server`);
      }
      if (!target.has('sequence') && target.isPenstock) {
        const sequence = await target.ask(subject.request({}, { parameters: { sequence_id: 7 } }));
        await refuses(sequence, 'a sequence', 'sequences (parameter sequence_id) are not supported by this server');
      }
    },
  },
];

function best3(values: readonly number[]): { readonly value: number; readonly index: number }[] {
  return values
    .map((value, index) => ({ value, index }))
    .sort((a, b) => b.value - a.value || a.index - b.index)
    .slice(0, 3);
}

function assertTensors(side: unknown, tensors: unknown, isBatched: boolean): void {
  for (const { name, data_type: type, dims } of side as { name: string; data_type: string; dims: unknown[] }[]) {
    const known = (tensors as { name: string; shape: number[] }[]).find((tensor) => tensor.name === name);
    assert(known !== undefined, `'${name}' must be in the metadata`);
    assert.match(type, /^TYPE_/);
    assert.deepEqual(dims.map(Number), isBatched ? known.shape.slice(1) : known.shape, `'${name}': dims must match the metadata`);
  }
}

function post(target: Target, path: string, body: unknown = ''): Promise<WireReply> {
  return target.wire.send(path, { body: body === '' ? '' : JSON.stringify(body), method: 'POST', timeoutMs: loadMsMax });
}

async function index(target: Target, body?: unknown): Promise<Json[]> {
  return ok(await post(target, '/v2/repository/index', body)) as unknown as Json[];
}

async function rowOf(target: Target, model: string): Promise<Json | undefined> {
  return (await index(target)).find(({ name }) => name === model);
}

async function unloads(target: Target, model: string): Promise<void> {
  assert.equal((await rowOf(target, model))?.['state'], 'READY');
  const { answered } = await occupyServer(target, model);
  const unloaded = await post(target, `/v2/repository/models/${model}/unload`, { parameters: { unload_dependents: false } });
  assert.equal(unloaded.status, 200, 'unload');
  if (target.isPenstock) assert.equal(unloaded.json?.['unload'], true);
  ok(await answered);
  const row = await rowOf(target, model);
  assert.notEqual(row?.['state'], 'READY', 'the index must show that the model is not ready');
  if (target.isPenstock) assert.deepEqual([row?.['state'], row?.['reason']], ['UNAVAILABLE', 'unloaded']);
  assert.equal(
    (await index(target, { ready: true })).some(({ name }) => name === model),
    false,
    'an index of ready models must not list it',
  );
  const notReady = await target.wire.send(`/v2/models/${model}/ready`);
  assert(notReady.status >= 400, `an unloaded model must not be ready, got ${notReady.status}`);
  const refused = await target.infer(model, slowLoop(1));
  assert(refused.status >= 400, `an unloaded model must reject requests, got ${refused.status}`);
  if (!target.isPenstock) return;
  assert.deepEqual([notReady.status, notReady.json?.['ready']], [503, false]);
  await target.refused(refused, 503, /unloaded/);
}

async function loads(target: Target, model: string): Promise<void> {
  const path = `/v2/repository/models/${model}/load`;
  ok(await target.infer(model, slowLoop(1)));
  const meanwhile = Array.from({ length: 5 }, () => target.infer(model, slowLoop(1000)));
  const again = await post(target, path);
  assert.equal(again.status, 200, 'load of a loaded model');
  for (const reply of await Promise.all(meanwhile)) ok(reply);
  if (target.isPenstock) {
    assert.equal(again.json?.['load'], true);
    const overridden = await post(target, path, { parameters: { config: '{}' } });
    await target.refused(overridden, 400, /^a model's files and configuration cannot be replaced/);
  }
  for (const verb of ['load', 'unload']) {
    const reply = await post(target, `/v2/repository/models/${unknownModelName}/${verb}`);
    if (target.isPenstock) await target.refused(reply, 404, new RegExp(`^model '${unknownModelName}' does not exist`));
    else assert(reply.status >= 400, `${verb} of an unknown model: expected an error, got ${reply.status}`);
  }
}
