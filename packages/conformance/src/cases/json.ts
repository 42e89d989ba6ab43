/** Cases C6 to C17: JSON requests and their errors. */
import assert from 'node:assert/strict';
import { assertSame, firstOutput, flat, ok, outputNames, outputsOf } from '../assertions.ts';
import type { Case } from '../case.ts';
import { elementCount } from '../client/elements.ts';
import { firstModelWith, servedModels } from '../client/served.ts';
import { type InputSpec, isJsonable } from '../client/subject.ts';
import type { Json, WireReply } from '../client/wire.ts';
import { affine } from '../fixtures.ts';
import { Skipped } from '../outcome.ts';
import { rowsOf } from '../rows.ts';

/** Nests flat elements by the shape. */
function nested(data: readonly unknown[], shape: readonly number[]): unknown {
  const [size = 0, ...inner] = shape;
  if (shape.length <= 1) return data;
  const each = data.length / size;
  return Array.from({ length: size }, (_, row) => nested(data.slice(row * each, (row + 1) * each), inner));
}

/** Nestings that do not match the shape: one level too many, ragged, and transposed. */
function wrongNestings(data: readonly unknown[], shape: readonly number[]): unknown[] {
  const right = nested(data, shape);
  const rows = shape.length > 1 ? (right as unknown[][]) : [];
  const ragged = rows.length > 0 && (rows.at(-1)?.length ?? 0) > 1 ? [[...rows.slice(0, -1), (rows.at(-1) as unknown[]).slice(0, -1)]] : [];
  const turned = [...shape].reverse();
  const isTurned = shape.length > 1 && turned.join() !== shape.join();
  return [[right], ...ragged, ...(isTurned ? [nested(data, turned)] : [])];
}

function described({ datatype, shape }: InputSpec): string {
  return `${datatype} [${shape.join(',')}]`;
}

/** Error texts are passed to `refused`, which checks them only for Penstock. */
export const jsonCases: readonly Case[] = [
  {
    id: 'C6',
    level: 'must',
    promise: 'flat data gets flat data in response',
    async run(target) {
      const { subject } = target;
      const answer = ok(await target.ask(subject.request()));
      assert.equal(answer['model_name'], subject.name);
      for (const output of outputsOf(answer)) {
        const { name, datatype, shape, data } = output;
        assert(Array.isArray(shape), `output '${String(name)}' must have a shape`);
        const count = elementCount(shape as number[]);
        assert.equal(flat(data).length, count, `output '${String(name)}' of shape [${shape.join(',')}] must have ${count} elements`);
        const spec = subject.outputs.find((each) => each.name === name);
        if (subject.outputs.length > 0)
          assert.equal(datatype, spec?.datatype, `output '${String(name)}' must have the datatype of the metadata`);
      }
      if (!subject.isAffine) return;
      const outputs = [
        { name: 'y', shape: [2, 3], datatype: 'FP32', data: affine.answer },
        { name: 'sum', shape: [], datatype: 'FP32', data: [affine.sum] },
      ];
      assertSame(answer, { outputs });
      if (target.isPenstock) assert.deepEqual(answer, { model_name: subject.name, model_version: '1', outputs });
    },
  },
  {
    id: 'C7',
    level: 'must',
    promise: 'nested data gives the same result; nesting that does not match the shape is rejected',
    async run(target) {
      const { subject } = target;
      const { name, shape, data } = subject.first;
      await target.assertUsual(await target.ask(subject.request({ data: nested(data, shape) })));
      const text = `input '${name}': the nesting of 'data' does not agree with shape [${shape.join(',')}]`;
      for (const wrong of wrongNestings(data, shape)) await target.refused(await target.ask(subject.request({ data: wrong })), 400, text);
    },
  },
  {
    id: 'C8',
    level: 'must',
    promise: 'a wrong number of elements is reported',
    async run(target) {
      const { subject } = target;
      const { name, shape, data } = subject.first;
      const reply = await target.ask(subject.request({ data: data.slice(1) }));
      const text = `input '${name}': 'data' has ${data.length - 1} elements, shape [${shape.join(',')}] needs ${data.length}`;
      await target.refused(reply, 400, text);
    },
  },
  {
    id: 'C9',
    level: 'must',
    promise: 'a wrong datatype is reported with the right one',
    async run(target) {
      const { subject } = target;
      const { datatype } = subject.first;
      const wrong = datatype === 'INT32' ? 'FP64' : 'INT32';
      await target.refused(
        await target.ask(subject.request({ datatype: wrong })),
        400,
        new RegExp(`: datatype is ${wrong}, expected ${datatype}`),
      );
    },
  },
  {
    id: 'C10',
    level: 'must',
    promise: 'a missing input is reported with its datatype and shape',
    async run(target) {
      await target.refused(await target.ask({ inputs: [] }), 400, /^'inputs' must be an array of tensors/);
      await target.refused(await target.ask({ id: 'none' }), 400, /^'inputs' must be an array of tensors/);
      const several = await firstModelWith(target, await servedModels(target), ({ specs }) => specs.length > 1);
      const [missing, ...others] = several?.specs ?? [];
      if (several === null || missing === undefined) return;
      const retained = several.inputs.filter(({ name }) => others.some((other) => other.name === name));
      const reply = await target.infer(several.name, { inputs: retained });
      await target.refused(reply, 400, `model '${several.name}': missing input '${missing.name}' (${described(missing)})`);
    },
  },
  {
    id: 'C11',
    level: 'must',
    promise: 'an unknown or duplicate input is rejected',
    async run(target) {
      const { subject } = target;
      const { name, first, inputs, specs } = subject;
      const more = { inputs: [...inputs, { ...first, name: 'no-such-input' }] };
      const expected = specs.map((spec) => spec.name).join(', ');
      await target.refused(await target.ask(more), 400, `model '${name}': unexpected input 'no-such-input'; expected inputs: ${expected}`);
      await target.refused(await target.ask({ inputs: [first, ...inputs] }), 400, `model '${name}': input '${first.name}' is given twice`);
    },
  },
  {
    id: 'C12',
    level: 'must',
    promise: 'an unknown output is rejected',
    async run(target) {
      const { subject } = target;
      const reply = await target.ask(subject.request({}, { outputs: [{ name: 'no-such-output' }] }));
      const known = outputNames(await target.reference()).join(', ');
      await target.refused(reply, 400, `unexpected inference output 'no-such-output' for model '${subject.name}'; outputs: ${known}`);
    },
  },
  {
    id: 'C13',
    level: 'must',
    promise: 'outputs are returned in the requested order, or all if none is requested',
    async run(target) {
      const { subject } = target;
      const all = outputNames(await target.reference()) as string[];
      const call = async (outputs?: readonly string[]): Promise<unknown[]> =>
        outputNames(ok(await target.ask(subject.request({}, { outputs: outputs?.map((name) => ({ name })) }))));
      assert.deepEqual(await call(), all, 'no outputs');
      assert.deepEqual(await call([]), all, 'an empty list');
      const last = all.slice(-1);
      assert.deepEqual(await call(last), last, 'one output');
      assert.deepEqual(await call(all.toReversed()), all.toReversed(), 'reversed');
    },
  },
  {
    id: 'C14',
    level: 'must',
    promise: 'the id is returned; without one the response has none',
    async run(target) {
      const { subject } = target;
      for (const id of ['42', 'é漢 "quoted"', ...(target.isPenstock ? [''] : [])]) {
        assert.equal(ok(await target.ask(subject.request({}, { id })))['id'], id);
      }
      const reply = await target.ask(subject.request());
      if (!target.isPenstock) return;
      assert.equal('id' in ok(reply), false);
      assert.equal(typeof reply.headers['x-request-id'], 'string');
    },
  },
  {
    id: 'C15',
    level: 'extension',
    extension: 'model_configuration',
    promise: 'a batch of max_batch_size is accepted, a larger one is rejected',
    async run(target) {
      const sizes = new Map<string, number>();
      for (const name of await servedModels(target)) {
        const { json } = await target.wire.send(`/v2/models/${name}/config`);
        const most = json?.['max_batch_size'];
        if (typeof most === 'number' && most > 0) sizes.set(name, most);
      }
      const batched = await firstModelWith(
        target,
        [...sizes.keys()],
        ({ name, specs }) => sizes.has(name) && isJsonable(specs) && specs.every(({ shape }) => shape[0] === -1),
      );
      if (batched === null) throw new Skipped('no model has max_batch_size > 0');
      const most = sizes.get(batched.name) as number;
      const rows = (count: number): Json => rowsOf(batched.inputs, count);
      const answer = await target.answer(batched.name, rows(most));
      assert.equal(flat(firstOutput(answer)['shape'])[0], most);
      const text = `input '${batched.first.name}': batch ${most + 1} is larger than max_batch_size ${most}`;
      await target.refused(await target.infer(batched.name, rows(most + 1)), 400, text);
    },
  },
  {
    id: 'C16',
    level: 'must',
    promise: 'a wrong rank or size is reported with both shapes',
    async run(target) {
      const { subject } = target;
      const { name, shape, data } = subject.first;
      const shaped = (wrong: unknown): Promise<WireReply> => target.ask(subject.request({ shape: wrong }));
      const wrongRank = shape.length === 1 ? [1, data.length] : [data.length];
      const ranks = `rank ${shape.length}, got ${wrongRank.length}`;
      await target.refused(
        await shaped(wrongRank),
        400,
        `input '${name}': shape is [${wrongRank.join(',')}], expected ${subject.firstShape} (${ranks})`,
      );
      if (subject.isAffine) {
        await target.refused(await shaped([3, 2]), 400, `input 'x': shape is [3,2], expected [-1,3] (dimension 1 is 3, got 2)`);
      }
      for (const wrong of [[-2, ...shape.slice(1)], [1.5, ...shape.slice(1)], ['2', ...shape.slice(1)], 6, undefined]) {
        await target.refused(await shaped(wrong), 400, `input '${name}': 'shape' must be an array of integers >= 0`);
      }
    },
  },
  {
    id: 'C17',
    level: 'should',
    promise: 'a tensor without elements is accepted',
    async run(target) {
      target.requireAffine();
      const answer = ok(await target.ask(target.subject.request({ shape: [0, 3], data: [] })));
      assertSame(answer, {
        outputs: [
          { name: 'y', shape: [0, 3], datatype: 'FP32', data: [] },
          { name: 'sum', shape: [], datatype: 'FP32', data: [0] },
        ],
      });
    },
  },
];
