/** Plans of real models in a real worker: each row is answered as by the model alone that its stage names. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { modelPath, rowsOf, sample } from '../../test/models/index.ts';
import { bytesOf, encodeStrings, type Tensor } from '../tensor.ts';
import { receiveHello, type TensorParts, WorkerLink, workerMainPath } from './index.ts';
import { PlanModel, type RunnableModel } from './plan-model.ts';
import type { ModelMap, WorkerPlan } from './worker-plans.ts';

let folder: string;
let server: Server;
const children: ChildProcess[] = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'penstock-test-'));
  server = createServer().listen(join(folder, 'socket'));
  await once(server, 'listening');
});

after(() => {
  for (const child of children) child.kill('SIGKILL');
  server.close();
  rmSync(folder, { recursive: true });
});

async function startWorker(): Promise<WorkerLink> {
  const env = { PENSTOCK_WORKER_TOKEN: 'token' };
  children.push(spawn(process.execPath, [workerMainPath, join(folder, 'socket'), 'w'], { env, stdio: ['ignore', 'ignore', 'inherit'] }));
  const [socket] = (await once(server, 'connection')) as [Socket];
  await receiveHello(socket);
  return new WorkerLink(socket);
}

const partsOf = (tensors: readonly Tensor[]): TensorParts[] => tensors.map(({ data, ...tensor }) => ({ ...tensor, parts: [data] }));

const asSent: ModelMap = {
  inputs: [{ name: 'pixels', row: null }],
  outputs: [
    { name: 'label', row: null },
    { name: 'probabilities', row: null },
  ],
  scores: 'probabilities',
};
const asImage: ModelMap = {
  inputs: [{ name: 'image', row: [1, 8, 8] }],
  outputs: [
    { name: null, row: [] },
    { name: 'probabilities', row: null },
  ],
  scores: 'probabilities',
};
const plans: WorkerPlan[] = [
  { first: 0, second: null, threshold: 1 },
  { first: 0, second: 1, threshold: 0.0001 },
  { first: 1, second: null, threshold: 1 },
  { first: 0, second: 1, threshold: -1 },
];

test('answers each row as the model alone that its stage names, for batches of any size', async () => {
  const [mlp, cnn, together] = [await startWorker(), await startWorker(), await startWorker()];
  const { signature: contract } = await mlp.load({ path: modelPath('digits_mlp'), threads: 1 });
  await cnn.load({ path: modelPath('digits_cnn'), threads: 1 });
  const loaded = await together.load({
    path: modelPath('digits_mlp'),
    threads: 1,
    plans: { contract, maps: [asSent, asImage], plans, others: [{ path: modelPath('digits_cnn') }] },
  });
  assert.deepEqual(loaded.signature, contract);
  const [pixels] = sample('digits_mlp').inputs as [Tensor];
  const count = pixels.shape[0] as number;
  const stagesSeen = new Set<number>();
  for (const [from, to] of [
    [0, count],
    [0, 1],
    [1, Math.min(6, count)],
  ] as const) {
    const rows = rowsOf(pixels, from, to);
    const alone = (await mlp.run(partsOf([rows]))).outputs as [Tensor, Tensor];
    const image = { ...rows, name: 'image', shape: [to - from, 1, 8, 8] };
    const [best] = (await cnn.run(partsOf([image]))).outputs as [Tensor];
    for (const [number, plan] of plans.entries()) {
      const { outputs, rows: how } = await together.run(partsOf([rows]), [], number);
      assert(how !== undefined);
      assert.deepEqual(
        outputs.map(({ shape }) => shape),
        [[to - from], [to - from, 10]],
      );
      const scores = new Float32Array(new Uint8Array(alone[1].data).buffer);
      for (let row = 0; row < to - from; row++) {
        const largest = Math.max(...scores.subarray(10 * row, 10 * row + 10));
        const goesOn = plan.second !== null && 1 - largest > plan.threshold;
        assert.equal(how.stage[row], goesOn ? 1 : 0);
        if (plan.first === 0) assert.equal(how.confidence[row], largest);
        stagesSeen.add(how.stage[row] as number);
        const from = goesOn || plan.first === 1 ? best : alone[1];
        assert.deepEqual(rowsOf(outputs[1] as Tensor, row, row + 1).data, rowsOf(from, row, row + 1).data);
      }
      if (number === 0) assert.deepEqual(outputs, alone);
    }
  }
  assert.deepEqual(stagesSeen, new Set([0, 1]));
  for (const link of [mlp, cnn, together]) link.close();
});

test('refuses a plan that it has not loaded, and without plans every plan but 0, and goes on serving', async () => {
  const link = await startWorker();
  const { signature: contract } = await link.load({ path: modelPath('digits_mlp'), threads: 1 });
  const inputs = partsOf([rowsOf(sample('digits_mlp').inputs[0] as Tensor, 0, 1)]);
  await assert.rejects(link.run(inputs, [], 1), {
    code: 'wrong_state',
    message: 'this worker has loaded no plans: expected plan 0, got 1',
  });
  assert.equal((await link.run(inputs)).outputs.length, 2);
  await link.load({ path: modelPath('digits_mlp'), threads: 1, plans: { contract, maps: [asSent], plans: plans.slice(0, 1), others: [] } });
  await assert.rejects(link.run(inputs, [], 1), { code: 'wrong_state', message: 'plan 1 is not loaded: expected below 1' });
  assert.equal((await link.run(inputs)).outputs.length, 2);
  link.close();
});

test('answers a single plan like the model alone, and still says how sure it was of each row', async () => {
  const [cnn, single] = [await startWorker(), await startWorker()];
  const { signature: contract } = await single.load({ path: modelPath('digits_mlp'), threads: 1 });
  await cnn.load({ path: modelPath('digits_cnn'), threads: 1 });
  const onePlan = { contract, maps: [asImage], plans: plans.slice(0, 1), others: [] };
  await single.load({ path: modelPath('digits_cnn'), threads: 1, plans: onePlan });
  const [pixels] = sample('digits_mlp').inputs as [Tensor];
  const count = pixels.shape[0] as number;
  const [best] = (await cnn.run(partsOf([{ ...pixels, name: 'image', shape: [count, 1, 8, 8] }]))).outputs as [Tensor];
  const { outputs, rows, timings } = await single.run(partsOf([pixels]));
  assert.deepEqual(outputs[1], best);
  const scores = new Float32Array(new Uint8Array(best.data).buffer);
  const labels = new BigInt64Array(new Uint8Array((outputs[0] as Tensor).data).buffer);
  for (let row = 0; row < count; row++) {
    const own = scores.subarray(10 * row, 10 * row + 10);
    assert.equal(rows?.confidence[row], Math.max(...own));
    assert.equal(Number(labels[row]), own.indexOf(Math.max(...own)));
  }
  assert.deepEqual(rows?.stage, new Uint8Array(count));
  assert.deepEqual([rows?.firstMs, rows?.secondMs], [timings.runMs, 0]);
  for (const link of [cnn, single]) link.close();
});

const contract = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
  outputs: [
    { name: 'label', datatype: 'BYTES', shape: [-1] },
    { name: 'scores', datatype: 'FP32', shape: [-1, 2] },
  ],
} as const;
const plainMap: ModelMap = {
  inputs: [{ name: 'x', row: null }],
  outputs: [
    { name: 'label', row: null },
    { name: 'scores', row: null },
  ],
  scores: 'scores',
};

/** Answers `name` as label; the largest score is x. Fails on rows with x of `failsOn`. */
function modelCalled(name: string, failsOn: readonly number[] = []): RunnableModel {
  return {
    run: async ([x]) => {
      const values = [...new Float32Array(new Uint8Array((x as Tensor).data).buffer)];
      if (values.some((value) => failsOn.includes(value))) throw new Error('a row that it cannot take');
      return [
        { name: 'label', datatype: 'BYTES', shape: [values.length], data: encodeStrings(values.map((value) => `${name} ${value}`)) },
        {
          name: 'scores',
          datatype: 'FP32',
          shape: [values.length, 2],
          data: bytesOf(Float32Array.from(values.flatMap((value) => [value, 0]))),
        },
      ];
    },
  };
}

async function answersOf(second: RunnableModel, values: readonly number[], threshold = 0.25) {
  const models = { contract, maps: [plainMap, plainMap], plans: [{ first: 0, second: 1, threshold }] };
  const model = new PlanModel([modelCalled('first'), second], models, () => 0);
  const x: Tensor = { name: 'x', datatype: 'FP32', shape: [values.length, 1], data: bytesOf(Float32Array.from(values)) };
  const { outputs, rows } = await model.run([x], 0);
  const text = Buffer.from((outputs[0] as Tensor).data).toString('latin1');
  assert(rows !== null);
  return { labels: [...text.matchAll(/(first|second) [\d.N]+a?N?/g)].map(([label]) => label), stage: [...rows.stage] };
}

describe('a cascade', () => {
  test('is strict at the threshold, and a score that is not a number goes on', async () => {
    const { labels, stage } = await answersOf(modelCalled('second'), [0.75, 0.5, 1, Number.NaN]);
    assert.deepEqual(stage, [0, 1, 0, 1]);
    assert.deepEqual(labels, ['first 0.75', 'second 0.5', 'first 1', 'second NaN']);
  });

  test('lets the first model answer only the rows on which the second one fails', async () => {
    const { labels, stage } = await answersOf(modelCalled('second', [0.5]), [0.25, 0.5, 0.125, 1]);
    assert.deepEqual(stage, [1, 2, 1, 0]);
    assert.deepEqual(labels, ['second 0.25', 'first 0.5', 'second 0.125', 'first 1']);
  });

  test('fails if neither model has an answer', async () => {
    const failing: RunnableModel = { run: async () => Promise.reject(new Error('a row that it cannot take')) };
    await assert.rejects(answersOf(failing, [Number.NaN]), /a row that it cannot take/);
  });
});

describe('a model that cannot be loaded', () => {
  const files = { contract, maps: [asSent, asImage], plans };

  test('leaves out the plans that need it, and comes back', async () => {
    const link = await startWorker();
    const late = join(folder, 'late.onnx');
    writeFileSync(late, 'no model');
    const others = [{ path: late }];
    const { signature } = await (await startWorker()).load({ path: modelPath('digits_mlp'), threads: 1 });
    await link.load({ path: modelPath('digits_mlp'), threads: 1, plans: { ...files, contract: signature, others } });
    assert.deepEqual(
      link.missing.found.map(({ model }) => model),
      [1],
    );
    assert.notEqual(link.missing.found[0]?.reason, '');
    const input = partsOf(sample('digits_mlp').inputs);
    await link.run(input, [], 0);
    await assert.rejects(link.run(input, [], 1), /plan 1 needs a model that could not be loaded/);
    await link.missing.retry({ files: [], damaged: [] });
    assert.equal(link.missing.found.length, 1);
    copyFileSync(modelPath('digits_cnn'), late);
    await link.missing.retry({ files: [], damaged: [] });
    assert.deepEqual(link.missing.found, []);
    await link.run(input, [], 2);
  });

  test('fails the load if no plan from the least one on can run', async () => {
    const link = await startWorker();
    const { signature } = await (await startWorker()).load({ path: modelPath('digits_mlp'), threads: 1 });
    const others = [{ path: join(folder, 'absent.onnx') }];
    const load = { ...files, contract: signature, others, plans: plans.slice(0, 2), leastPlan: 1 };
    await assert.rejects(link.load({ path: modelPath('digits_mlp'), threads: 1, plans: load }));
  });
});
