/** Cases X1 to X7: statistics, configuration, the repository, priority, timeouts, classification; what is not served. */
import assert from 'node:assert/strict';
import { affineInput, type Case, models, ok, outputOf, type Target } from './suite.ts';
import type { Json, Reply } from './wire.ts';

const { affine, digits, slow } = models;

const durations = ['success', 'fail', 'queue', 'compute_input', 'compute_infer', 'compute_output', 'cache_hit', 'cache_miss'];

type Duration = { readonly count: number; readonly ns: number };
interface Statistics {
  readonly version: string;
  readonly inference_count: number;
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<string, Duration>>;
  readonly batch_stats: readonly { readonly batch_size: number; readonly compute_infer: Duration }[];
}

async function statisticsOf(target: Target, model: string): Promise<Statistics> {
  const [stats] = ok(await target.wire.send(`/v2/models/${model}/stats`))['model_stats'] as Statistics[];
  assert(stats !== undefined);
  return stats;
}

function pixels(rows: number): Json {
  return { name: 'pixels', datatype: 'FP32', shape: [rows, 64], data: Array.from({ length: rows * 64 }, (_, index) => index % 17) };
}

/** A request of so many iterations, about 4 us each. */
function loop(iterations: number, parameters?: Json): Json {
  return {
    inputs: [
      { name: 'x', datatype: 'FP32', shape: [1, 256], data: new Array(256).fill(0.5) },
      { name: 'iters', datatype: 'INT64', shape: [], data: [iterations] },
    ],
    parameters,
  };
}

/** Long enough that what follows comes while it runs. */
const longIterations = 60_000;

/** Starts a long run, and resolves once the server is surely busy with it; the answer comes later. */
async function occupy(target: Target): Promise<{ readonly answered: Promise<Reply> }> {
  const answered = target.infer(slow, loop(longIterations));
  // Answers on other connections show that the server has had time to read the first.
  for (let round = 0; round < 5; round++) await target.wire.send('/v2/health/live');
  return { answered };
}

export const extensionCases: readonly Case[] = [
  {
    id: 'X1',
    promise: 'statistics count exactly, and never go back',
    async run(target) {
      await target.needs(digits);
      const before = await statisticsOf(target, digits);
      for (const key of durations) {
        const { count, ns } = before.inference_stats[key] ?? {};
        assert(Number.isSafeInteger(count) && Number.isSafeInteger(ns), `${key} has count and ns`);
      }
      assert.equal(typeof before.version, 'string');
      const replies = await Promise.all(
        Array.from({ length: 20 }, (_, index) => target.infer(digits, { inputs: [pixels((index % 2) + 1)] })),
      );
      for (const reply of replies) ok(reply);
      assert.equal((await target.infer(digits, { inputs: [{ ...pixels(1), datatype: 'INT8' }] })).status, 400);
      const after = await statisticsOf(target, digits);
      const grown = (key: string): number => (after.inference_stats[key]?.count ?? 0) - (before.inference_stats[key]?.count ?? 0);
      assert.equal(after.inference_count - before.inference_count, 30, 'inference_count counts rows');
      assert.deepEqual([grown('success'), grown('queue'), grown('compute_infer'), grown('fail')], [20, 20, 20, 1]);
      const executions = after.execution_count - before.execution_count;
      assert(executions >= 1 && executions <= 20, 'execution_count counts runs');
      const runs = (stats: Statistics): number => stats.batch_stats.reduce((sum, { compute_infer }) => sum + compute_infer.count, 0);
      const rows = (stats: Statistics): number =>
        stats.batch_stats.reduce((sum, { batch_size, compute_infer }) => sum + batch_size * compute_infer.count, 0);
      assert.equal(runs(after) - runs(before), executions, 'batch_stats counts runs');
      assert.equal(rows(after) - rows(before), 30, 'batch_stats by batch size');
      for (const key of durations) {
        const [was, is] = [before.inference_stats[key] as Duration, after.inference_stats[key] as Duration];
        assert(is.count >= was.count && is.ns >= was.ns, `${key} never goes back`);
      }
      const all = ok(await target.wire.send('/v2/models/stats'))['model_stats'] as Json[];
      assert(all.some(({ name }) => name === digits));
    },
  },
  {
    id: 'X2',
    promise: 'the configuration is what perf_analyzer needs',
    async run(target) {
      for (const model of [digits, affine]) {
        await target.needs(model);
        const config = ok(await target.wire.send(`/v2/models/${model}/config`));
        const metadata = ok(await target.wire.send(`/v2/models/${model}`));
        const most = config['max_batch_size'] as number;
        assert(Number.isInteger(most) && most >= 0);
        for (const [side, names] of [
          ['input', 'inputs'],
          ['output', 'outputs'],
        ] as const) {
          const tensors = metadata[names] as { name: string; shape: number[] }[];
          for (const { name, data_type: type, dims } of config[side] as { name: string; data_type: string; dims: number[] }[]) {
            const known = tensors.find((tensor) => tensor.name === name);
            assert(known !== undefined, `${name} is in the metadata`);
            assert.match(type, /^TYPE_/);
            assert.deepEqual(dims, most > 0 ? known.shape.slice(1) : known.shape);
          }
        }
        const { decoupled } = (config['model_transaction_policy'] ?? { decoupled: false }) as { decoupled: unknown };
        const { enable } = (config['response_cache'] ?? { enable: false }) as { enable: unknown };
        assert.deepEqual([typeof decoupled, typeof enable], ['boolean', 'boolean']);
        assert.equal('dynamic_batching' in config, most > 0);
      }
    },
  },
  {
    id: 'X3',
    promise: 'index, load, unload; loading again reloads; what is in flight finishes',
    async run(target) {
      await target.needs(slow);
      const post = (path: string, body: unknown = ''): Promise<Reply> =>
        target.wire.send(path, { body: body === '' ? '' : JSON.stringify(body), method: 'POST' });
      const rows = async (body?: unknown): Promise<Json[]> => ok(await post('/v2/repository/index', body)) as unknown as Json[];
      const stateOf = async (): Promise<unknown> => (await rows()).find(({ name }) => name === slow);
      assert.deepEqual(await stateOf(), { name: slow, version: '1', state: 'READY', reason: '' });
      const { answered } = await occupy(target);
      assert.equal(ok(await post(`/v2/repository/models/${slow}/unload`, { parameters: { unload_dependents: false } }))['unload'], true);
      ok(await answered);
      const unloaded = (await stateOf()) as Json;
      assert.deepEqual([unloaded['state'], unloaded['reason']], ['UNAVAILABLE', 'unloaded']);
      assert.equal(
        (await rows({ ready: true })).some(({ name }) => name === slow),
        false,
      );
      const notReady = await target.wire.send(`/v2/models/${slow}/ready`);
      assert.deepEqual([notReady.status, notReady.json?.['ready']], [503, false]);
      await target.refused(await target.infer(slow, loop(1)), 503, /unloaded/);
      const overridden = await post(`/v2/repository/models/${slow}/load`, { parameters: { config: '{}' } });
      await target.refused(overridden, 400, /^a model's files and configuration cannot be replaced/);
      assert.equal(ok(await post(`/v2/repository/models/${slow}/load`))['load'], true);
      ok(await target.infer(slow, loop(1)));
      const meanwhile = Array.from({ length: 5 }, () => target.infer(slow, loop(1000)));
      assert.equal(ok(await post(`/v2/repository/models/${slow}/load`))['load'], true);
      for (const reply of await Promise.all(meanwhile)) ok(reply);
      for (const verb of ['load', 'unload']) {
        await target.refused(await post(`/v2/repository/models/nobody/${verb}`), 404, /^model 'nobody' is not known/);
      }
    },
  },
  {
    id: 'X4',
    promise: 'a request of priority 1 overtakes those that wait',
    async run(target) {
      await target.needs(slow);
      const { answered } = await occupy(target);
      const order: string[] = [];
      // Different numbers of iterations cannot share a batch.
      const ask = async (name: string, iterations: number, priority?: number): Promise<void> => {
        ok(await target.infer(slow, loop(iterations, priority === undefined ? {} : { priority })));
        order.push(name);
      };
      const waiting = [1000, 1001, 1002, 1003].map((iterations) => ask('default', iterations));
      for (let round = 0; round < 5; round++) await target.wire.send('/v2/health/live');
      await Promise.all([...waiting, ask('first', 1004, 1), answered]);
      assert.notEqual(order.at(-1), 'first', order.join(', '));
      await target.refused(
        await target.infer(slow, loop(1, { priority: -1 })),
        400,
        /^request: parameter 'priority' is -1, expected an integer/,
      );
    },
  },
  {
    id: 'X5',
    promise: 'the timeout counts microseconds: who waits longer is never run, 504',
    async run(target) {
      await target.needs(slow);
      const { answered } = await occupy(target);
      const executions = (await statisticsOf(target, slow)).execution_count;
      await target.refused(await target.infer(slow, loop(1, { timeout: 20_000 })), 504, /./);
      ok(await answered);
      ok(await target.infer(slow, loop(1, { timeout: 20_000_000 })));
      assert.equal((await statisticsOf(target, slow)).execution_count, executions + 2, 'the expired request was not run');
      await target.refused(await target.infer(slow, loop(1, { timeout: '1s' })), 400, /^request: parameter 'timeout' is "1s", expected /);
    },
  },
  {
    id: 'X6',
    promise: 'classification gives the best classes as value:index, the best first',
    async run(target) {
      await target.needs(digits);
      const output = async (parameters: Json): Promise<Json> =>
        outputOf(await target.answer(digits, { inputs: [pixels(2)], outputs: [{ name: 'probabilities', parameters }] }), 'probabilities');
      const probabilities = (await output({}))['data'] as number[];
      const best = await output({ classification: 3 });
      assert.deepEqual([best['datatype'], best['shape']], ['BYTES', [2, 3]]);
      const expected = [0, 1].flatMap((row) =>
        probabilities
          .slice(row * 10, row * 10 + 10)
          .map((value, index) => ({ value, index }))
          .sort((a, b) => b.value - a.value || a.index - b.index)
          .slice(0, 3)
          .map(({ value, index }) => `${value}:${index}`),
      );
      assert.deepEqual(best['data'], expected);
      assert.deepEqual((await output({ classification: 99 }))['shape'], [2, 10]);
    },
  },
  {
    id: 'X7',
    promise: 'shared memory, tracing, logging and sequences are a clean 501',
    async run(target) {
      for (const path of ['/v2/systemsharedmemory/status', '/v2/cudasharedmemory/region/r/register', '/v2/trace/setting', '/v2/logging']) {
        await target.refused(await target.wire.send(path), 501, `${path} is not supported by this server`);
      }
      const region = { shared_memory_region: 'r', shared_memory_byte_size: 24 };
      const shared = await target.infer(affine, { inputs: [{ ...affineInput, data: undefined, parameters: region }] });
      await target.refused(shared, 501, `input 'x': shared memory is not supported by this server`);
      const sequence = await target.infer(affine, { inputs: [affineInput], parameters: { sequence_id: 7 } });
      await target.refused(sequence, 501, 'sequences (parameter sequence_id) are not supported by this server');
    },
  },
];
