/** Cases C1 to C17: who is there, and the ordinary JSON request with all that can be wrong in it. */
import assert from 'node:assert/strict';
import { affineAnswer, affineInput, type Case, models, ok, outputNames, outputOf, Skipped, type Target } from './suite.ts';
import type { Json } from './wire.ts';

const { affine, digits } = models;

/** Asks something again and again while the model is loaded anew. */
async function whileLoading(target: Target, ask: () => Promise<void>): Promise<void> {
  let loading = true;
  const loaded = target.wire.send(`/v2/repository/models/${affine}/load`, { method: 'POST', body: '' }).finally(() => {
    loading = false;
  });
  while (loading) await ask();
  const { status } = await loaded;
  if (status !== 200) throw new Skipped(`the server does not load models on request (${status})`);
}

export const coreCases: readonly Case[] = [
  {
    id: 'C1',
    promise: 'GET /v2 has name, version and a list of extensions',
    async run({ wire }) {
      const { name, version, extensions } = ok(await wire.send('/v2'));
      assert.equal(typeof name, 'string');
      assert.equal(typeof version, 'string');
      assert(Array.isArray(extensions) && extensions.every((extension) => typeof extension === 'string'));
    },
  },
  {
    id: 'C2',
    promise: 'the server is live while a model loads',
    async run(target) {
      const ask = async (): Promise<void> => {
        const reply = await target.wire.send('/v2/health/live');
        assert.equal(reply.status, 200);
        assert.equal(ok(reply)['live'], true);
      };
      await ask();
      await whileLoading(target, ask);
    },
  },
  {
    id: 'C3',
    promise: 'the server is ready once its first models have settled, and a later load does not change that',
    async run(target) {
      const ask = async (): Promise<void> => {
        assert.equal(ok(await target.wire.send('/v2/health/ready'))['ready'], true);
      };
      await ask();
      await whileLoading(target, ask);
    },
  },
  {
    id: 'C4',
    promise: 'a model is ready by name; an unknown one is 404',
    async run(target) {
      const { ready, name } = ok(await target.wire.send(`/v2/models/${affine}/ready`));
      assert.deepEqual({ ready, name }, { ready: true, name: affine });
      const text = `model 'nobody' is not known; GET /v2/models lists those that are`;
      for (const path of ['/ready', '', '/stats', '/config', '/versions/1/ready']) {
        await target.refused(await target.wire.send(`/v2/models/nobody${path}`), 404, text);
      }
      await target.refused(await target.infer('nobody', { inputs: [affineInput] }), 404, text);
    },
  },
  {
    id: 'C5',
    promise: 'metadata has versions, platform, and shapes with -1 for what varies',
    async run({ wire }) {
      const metadata = ok(await wire.send(`/v2/models/${affine}`));
      assert.equal(metadata['name'], affine);
      assert(Array.isArray(metadata['versions']) && metadata['versions'].every((version) => typeof version === 'string'));
      assert.equal(typeof metadata['platform'], 'string');
      assert.deepEqual(metadata['inputs'], [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }]);
      assert.deepEqual(metadata['outputs'], [
        { name: 'y', datatype: 'FP32', shape: [-1, 3] },
        { name: 'sum', datatype: 'FP32', shape: [] },
      ]);
      assert.deepEqual(ok(await wire.send(`/v2/models/${affine}/versions/1`))['inputs'], metadata['inputs']);
      const { models: names } = ok(await wire.send('/v2/models'));
      assert((names as string[]).includes(affine));
    },
  },
  {
    id: 'C6',
    promise: 'flat data is answered with flat data',
    async run(target) {
      const answer = await target.answer(affine, { inputs: [affineInput] });
      assert.equal(answer['model_name'], affine);
      assert.equal(answer['model_version'], '1');
      assert.deepEqual(outputOf(answer, 'y'), { name: 'y', shape: [2, 3], datatype: 'FP32', data: affineAnswer });
      assert.deepEqual(outputOf(answer, 'sum'), { name: 'sum', shape: [], datatype: 'FP32', data: [17] });
    },
  },
  {
    id: 'C7',
    promise: 'nested data is the same; nesting that disagrees with the shape is not',
    async run(target) {
      const nested = (data: unknown): unknown => ({ inputs: [{ ...affineInput, data }] });
      const answer = await target.answer(
        affine,
        nested([
          [1, 2, 3],
          [-1, 0, 0.5],
        ]),
      );
      assert.deepEqual(outputOf(answer, 'y')['data'], affineAnswer);
      const text = `input 'x': the nesting of 'data' does not agree with shape [2,3]`;
      for (const data of [
        [[1, 2, 3], [4]],
        [[1, 2, 3]],
        [
          [
            [1, 2, 3],
            [4, 5, 6],
          ],
        ],
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
      ]) {
        await target.refused(await target.infer(affine, nested(data)), 400, text);
      }
    },
  },
  {
    id: 'C8',
    promise: 'a wrong number of elements is named',
    async run(target) {
      const reply = await target.infer(affine, { inputs: [{ ...affineInput, data: [1, 2, 3, 4, 5] }] });
      await target.refused(reply, 400, `input 'x': 'data' has 5 elements, shape [2,3] needs 6`);
    },
  },
  {
    id: 'C9',
    promise: 'a wrong datatype is named, and the right one',
    async run(target) {
      const reply = await target.infer(affine, { inputs: [{ ...affineInput, datatype: 'INT32' }] });
      await target.refused(reply, 400, `input 'x': datatype is INT32, expected FP32`);
    },
  },
  {
    id: 'C10',
    promise: 'a missing input is named, with what it is',
    async run(target) {
      await target.needs(models.slow);
      const inputs = [{ name: 'iters', datatype: 'INT64', shape: [], data: [1] }];
      await target.refused(await target.infer(models.slow, { inputs }), 400, `model '${models.slow}': missing input 'x' (FP32 [-1,256])`);
      await target.refused(await target.infer(affine, { inputs: [] }), 400, /^'inputs' must be an array of tensors/);
    },
  },
  {
    id: 'C11',
    promise: 'an input that the model has not, or a second one of the same name, is refused',
    async run(target) {
      const z = { ...affineInput, name: 'z' };
      const reply = await target.infer(affine, { inputs: [affineInput, z] });
      await target.refused(reply, 400, `model '${affine}': unexpected input 'z'; expected inputs: x`);
      const twice = await target.infer(affine, { inputs: [affineInput, affineInput] });
      await target.refused(twice, 400, `model '${affine}': input 'x' is given twice`);
    },
  },
  {
    id: 'C12',
    promise: 'an output that the model has not is refused',
    async run(target) {
      const reply = await target.infer(affine, { inputs: [affineInput], outputs: [{ name: 'q' }] });
      await target.refused(reply, 400, `unexpected inference output 'q' for model '${affine}'; outputs: y, sum`);
    },
  },
  {
    id: 'C13',
    promise: 'outputs come as asked for, in that order; all of them where none is named',
    async run(target) {
      const ask = async (outputs?: unknown): Promise<unknown[]> =>
        outputNames(await target.answer(affine, { inputs: [affineInput], outputs }));
      assert.deepEqual(await ask(), ['y', 'sum']);
      assert.deepEqual(await ask([]), ['y', 'sum']);
      assert.deepEqual(await ask([{ name: 'sum' }]), ['sum']);
      assert.deepEqual(await ask([{ name: 'sum' }, { name: 'y' }]), ['sum', 'y']);
    },
  },
  {
    id: 'C14',
    promise: 'the id comes back; without one there is none, but always a request id',
    async run(target) {
      for (const id of ['42', '', 'é漢 "quoted"']) assert.equal((await target.answer(affine, { id, inputs: [affineInput] }))['id'], id);
      const reply = await target.infer(affine, { inputs: [affineInput] });
      assert.equal('id' in ok(reply), false);
      if (target.isPenstock) assert.equal(typeof reply.headers['x-request-id'], 'string');
    },
  },
  {
    id: 'C15',
    promise: 'a batch above max_batch_size is refused, one of just that size is not',
    async run(target) {
      await target.needs(digits);
      const { max_batch_size: most } = ok(await target.wire.send(`/v2/models/${digits}/config`)) as { max_batch_size: number };
      const batch = (rows: number): Json => ({ name: 'pixels', datatype: 'FP32', shape: [rows, 64], data: new Array(rows * 64).fill(0) });
      const answer = await target.answer(digits, { inputs: [batch(most)] });
      assert.deepEqual(outputOf(answer, 'label')['shape'], [most]);
      const reply = await target.infer(digits, { inputs: [batch(most + 1)] });
      await target.refused(reply, 400, `input 'pixels': batch ${most + 1} is larger than max_batch_size ${most}`);
    },
  },
  {
    id: 'C16',
    promise: 'a wrong rank or size is named with both shapes',
    async run(target) {
      const shaped = (shape: unknown): Promise<Parameters<Target['refused']>[0]> =>
        target.infer(affine, { inputs: [{ ...affineInput, shape }] });
      await target.refused(await shaped([6]), 400, `input 'x': shape is [6], expected [-1,3] (rank 2, got 1)`);
      await target.refused(await shaped([3, 2]), 400, `input 'x': shape is [3,2], expected [-1,3] (dimension 1 is 3, got 2)`);
      for (const shape of [[-2, 3], [1.5, 3], ['2', 3], 6, undefined]) {
        await target.refused(await shaped(shape), 400, `input 'x': 'shape' must be an array of integers >= 0`);
      }
    },
  },
  {
    id: 'C17',
    promise: 'a tensor without elements is a tensor',
    async run(target) {
      const answer = await target.answer(affine, { inputs: [{ ...affineInput, shape: [0, 3], data: [] }] });
      assert.deepEqual(outputOf(answer, 'y'), { name: 'y', shape: [0, 3], datatype: 'FP32', data: [] });
      assert.deepEqual(outputOf(answer, 'sum')['data'], [0]);
    },
  },
];
