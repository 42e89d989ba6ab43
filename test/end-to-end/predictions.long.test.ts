/**
 * Every model gives the results of the independent runtime (`test/models/samples`), row by row and in shared batches. Models that
 * fail or hang affect no other requests.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Tensor } from '../../src/tensor.ts';
import { assertSameTensors, rowsOf, sample } from '../models/index.ts';
import { floats, type InferOptions, type Inferred, infer, integers, slowRun } from './oip-client.ts';
import { Server } from './server.ts';

let server: Server;
before(async () => {
  server = await Server.start();
});
after(() => server?.end());

async function outputsOf(endpoint: string, inputs: readonly Tensor[], options?: InferOptions): Promise<Inferred> {
  const answer = await infer(server.url, endpoint, inputs, options);
  assert.equal(answer.status, 200, answer.error?.error);
  return answer;
}

/** Deploys a model for one test. */
async function serving(model: string, use: (endpoint: string) => Promise<void>): Promise<void> {
  const endpoint = model.replaceAll('_', '-');
  await server.deploy(endpoint, model);
  await use(endpoint);
  await server.callWell('DELETE', `/endpoints/${endpoint}`);
}

interface Row {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Compares the outputs in the sample. Sequences, which cannot be fetched, are not in it. */
function assertOutputs({ outputs }: Inferred, expected: readonly Tensor[]): void {
  assertSameTensors(
    outputs.filter(({ name }) => expected.some((output) => output.name === name)),
    expected,
  );
}

/** Sends single rows, a dozen at a time, until some share a batch, and compares every response. Returns the largest batch. */
async function sendUntilBatched(
  endpoint: string,
  rows: readonly Row[],
  forms: readonly ('json' | 'binary')[],
  rounds: number,
): Promise<number> {
  let batchRowsMax = 0;
  for (let round = 0; round < rounds && batchRowsMax < 2; round++) {
    const calls = Array.from({ length: 12 }, (_, i) => ({ row: rows[(round + i) % rows.length], form: forms[i % forms.length] }));
    const answers = await Promise.all(
      calls.map(async ({ row, form }) => {
        assert(row !== undefined && form !== undefined);
        const answer = await outputsOf(endpoint, row.inputs, { form });
        assertOutputs(answer, row.outputs);
        return answer.batchRows;
      }),
    );
    batchRowsMax = Math.max(batchRowsMax, ...answers);
  }
  return batchRowsMax;
}

describe('a model whose rows are independent of each other', () => {
  /** JSON cannot represent these exactly, or only at great length. */
  const binaryOnly = ['test_dtypes', 'loadtest_cnn_224'];
  /** Compute-bound: batches may not be worthwhile, so requests may run alone. */
  const mayRunAlone = ['loadtest_cnn_224', 'loadtest_transformer'];
  for (const model of [
    'breast_cancer_gbt',
    'diabetes_rf',
    'digits_cnn',
    'digits_logreg',
    'digits_mlp',
    'digits_rf',
    'fashion_mnist_cnn',
    'iris_rf',
    'iris_rf_zipmap',
    'loadtest_cnn_224',
    'loadtest_transformer',
    'loadtest_wide_mlp',
    'spam_text',
    'test_dtypes',
    'wine_rf',
  ]) {
    test(`${model} gives the same results in one request, row by row, and in batches shared by clients`, () =>
      serving(model, async (endpoint) => {
        const { inputs, outputs } = sample(model);
        const [first] = inputs;
        assert(first !== undefined);
        const rows = Array.from({ length: first.shape[0] as number }, (_, row) => ({
          inputs: inputs.map((tensor) => rowsOf(tensor, row, row + 1)),
          outputs: outputs.map((tensor) => rowsOf(tensor, row, row + 1)),
        }));
        assertOutputs(await outputsOf(endpoint, inputs), outputs);
        for (const row of rows) assertOutputs(await outputsOf(endpoint, row.inputs), row.outputs);
        const forms = binaryOnly.includes(model) ? (['binary'] as const) : (['binary', 'json'] as const);
        if (mayRunAlone.includes(model)) {
          await sendUntilBatched(endpoint, rows, forms, 2);
          return;
        }
        await server.batches(endpoint);
        assert((await sendUntilBatched(endpoint, rows, forms, 50)) > 1, 'no requests shared a batch');
      }));
  }
});

describe('a model that is not batchable is never batched:', () => {
  const rows = Array.from({ length: 12 }, (_, i) => floats('x', [1, 4], [i, i + 0.5, -i, i * i]));

  for (const model of ['test_batch_coupled', 'test_axis1_batch', 'test_fixed_batch1']) {
    test(`${model} answers each of many requests as if it were alone`, () =>
      serving(model, async (endpoint) => {
        if (model !== 'test_fixed_batch1') {
          const { inputs, outputs } = sample(model);
          assertOutputs(await outputsOf(endpoint, inputs), outputs);
        }
        const alone: Inferred[] = [];
        for (const row of rows) alone.push(await outputsOf(endpoint, [row]));
        const together = await Promise.all(rows.map((row) => outputsOf(endpoint, [row])));
        for (const [i, { outputs, batchRows }] of together.entries()) {
          assert.equal(batchRows, 1);
          assertSameTensors(outputs, alone[i]?.outputs ?? []);
        }
      }));
  }

  test('test_affine gives each request the sum of its own rows', () =>
    serving('test_affine', async (endpoint) => {
      const { inputs, outputs } = sample('test_affine');
      assertOutputs(await outputsOf(endpoint, inputs), outputs);
      const calls = rows.map((_, i) => ({ x: [i, -i, i + 0.5], y: [2 * i + 1, 1 - 2 * i, 2 * i + 2] }));
      await Promise.all(
        calls.map(async ({ x, y }) => {
          const answer = await outputsOf(endpoint, [floats('x', [1, 3], x)], { form: 'json' });
          const sum = y.reduce((total, value) => total + value, 0);
          assertSameTensors(answer.outputs, [floats('y', [1, 3], y), floats('sum', [], [sum])]);
        }),
      );
    }));

  test('test_affine gives concurrent clients with 600 kB bodies their own results', () =>
    serving('test_affine', async (endpoint) => {
      const values = (of: number) => Array.from({ length: 150_000 }, (_, i) => ((i * (of + 1)) % 97) / 8);
      const call = async (of: number, form: 'binary' | 'json'): Promise<void> => {
        const x = values(of);
        const { outputs } = await outputsOf(endpoint, [floats('x', [50_000, 3], x)], { form });
        assertSameTensors(outputs.slice(0, 1), [
          floats(
            'y',
            [50_000, 3],
            x.map((value) => 2 * value + 1),
          ),
        ]);
      };
      const rejected = async (): Promise<void> => {
        const { error } = await infer(server.url, endpoint, [floats('x', [30_000, 5], values(0))]);
        assert.equal(error?.code, 'invalid_request');
      };
      for (let round = 0; round < 3; round++) {
        await Promise.all([...Array.from({ length: 8 }, (_, i) => call(8 * round + i, i < 6 ? 'binary' : 'json')), rejected()]);
      }
    }));

  test('test_random gives each request different numbers', () =>
    serving('test_random', async (endpoint) => {
      const answers = await Promise.all(rows.map((row) => outputsOf(endpoint, [row])));
      for (const { outputs, batchRows } of answers) {
        assert.equal(batchRows, 1);
        assert.deepEqual(outputs[0]?.shape, [1, 4]);
      }
      assert.equal(new Set(answers.map(({ outputs }) => Buffer.from(outputs[0]?.data ?? []).toString('hex'))).size, rows.length);
    }));
});

describe('a model that fails', () => {
  test('test_gather_fail: an invalid row fails its own request, not others in its batch', () =>
    serving('test_gather_fail', async (endpoint) => {
      await server.batches(endpoint);
      const table = (await outputsOf(endpoint, [integers('ix', [4], [0, 1, 2, 3])])).outputs[0];
      assert(table !== undefined);
      for (let round = 0; round < 5; round++) {
        const answers = await Promise.all(
          Array.from({ length: 12 }, async (_, i) => {
            const index = i === 5 ? 99 : i % 4;
            return { index, answer: await infer(server.url, endpoint, [integers('ix', [1], [index])]) };
          }),
        );
        for (const { index, answer } of answers) {
          assert.equal(answer.status, index === 99 ? 400 : 200);
          if (index === 99) assert.match(answer.error?.error ?? '', /out of data bounds, idx=99/);
          else assertSameTensors(answer.outputs, [rowsOf(table, index, index + 1)]);
        }
      }
      assert.equal((await server.endpoint(endpoint)).variants[0]?.workers[0]?.restarts, 0);
    }));

  test('test_alloc: an allocation of 10 GB fails cleanly, and the endpoint keeps serving', () =>
    serving('test_alloc', async (endpoint) => {
      const call = (elements: number) => infer(server.url, endpoint, [floats('v', [1], [1]), integers('shape', [1], [elements])]);
      const { status, error } = await call(2.5 * 2 ** 30);
      assert(status === 500 || status === 400, `${status}`);
      assert.match(error?.error ?? '', /memory|alloc|died/i);
      const small = await call(1000);
      assert.equal(small.status, 200, small.error?.error);
      assertSameTensors(small.outputs, [floats('sum', [], [1000])]);
    }));

  test('test_slow_loop: a queued request past its timeout gets 504 and is never run; the next one is served', () =>
    serving('test_slow_loop', async (endpoint) => {
      const { inputs, outputs } = sample('test_slow_loop');
      assertOutputs(await outputsOf(endpoint, inputs), outputs);
      const before = await executionsOf(endpoint);
      const long = infer(server.url, endpoint, slowRun(150_000));
      await server.busy(endpoint);
      const startMs = performance.now();
      const { status, error } = await infer(server.url, endpoint, slowRun(100_000_000), { timeoutMs: 50 });
      const tookMs = performance.now() - startMs;
      assert.equal(status, 504);
      assert.match(error?.error ?? '', /timeout of 50ms/);
      assert(tookMs >= 49, `answered after ${tookMs} ms, before its timeout`);
      assert.equal((await long).status, 200);
      await outputsOf(endpoint, slowRun(1));
      assert.equal(await executionsOf(endpoint), before + 2);
    }));

  test('test_slow_loop: an endless run gets 504 and is ended, and the endpoint serves the next request', async () => {
    await server.deploy('hanging', 'test_slow_loop', { timeoutMs: 500 });
    const startMs = performance.now();
    const { status } = await infer(server.url, 'hanging', slowRun(2 ** 40));
    const tookMs = performance.now() - startMs;
    assert.equal(status, 504);
    assert(tookMs >= 499 && tookMs < 5000, `answered after ${tookMs} ms`);
    // The next request waits for the new worker within its own timeout.
    await server.inService('hanging');
    await outputsOf('hanging', slowRun(1), { timeoutMs: 20_000 });
    const [worker] = (await server.endpoint('hanging')).variants[0]?.workers ?? [];
    assert.equal(worker?.restarts, 1);
  });
});

async function executionsOf(endpoint: string): Promise<number> {
  return (await server.endpoint(endpoint)).variants[0]?.statistics?.executions ?? 0;
}
