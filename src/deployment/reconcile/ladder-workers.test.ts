import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ModelRuntime, ModelVersion } from '../../registry/index.ts';
import type { WorkerPlans } from '../../runtime/index.ts';
import { type LadderConfig, planAlone } from '../config/ladder-config.ts';
import { ladderFiles, shadowPlan, shadowPlansOf, workerPlansOf } from './ladder-workers.ts';

const plans: WorkerPlans = { contract: { inputs: [], outputs: [] }, maps: [], plans: [{ first: 0, second: null, threshold: 1 }] };
const onnx: ModelRuntime = { kind: 'onnx' };
const python = (lock: string, modules: readonly string[]): ModelRuntime => {
  return { kind: 'python', environment: { name: null, lock }, flavour: 'sklearn', form: 'tensors', entry: '', modules };
};
const process: ModelRuntime = { kind: 'process', image: 'i', command: ['x'], environment: {}, concurrency: 1 };

function filesOf(...runtimes: readonly ModelRuntime[]) {
  const models = runtimes.map((runtime, i) => ({
    name: `m/${i + 1}`,
    artifact: { sha256: `m/${i + 1}`, bytes: 1 },
    runtime,
    signature: plans.contract,
  }));
  return ladderFiles('key', plans, models);
}

describe('the models of a ladder', () => {
  test('are loaded by the built-in worker if they are ONNX models', () => {
    assert.deepEqual(filesOf(onnx, onnx), {
      artifact: { sha256: 'm/1', bytes: 1 },
      plans: { key: 'key', ...plans, others: [{ sha256: 'm/2', bytes: 1 }] },
    });
  });

  test('are loaded by one Python worker that has imported the modules of all before', () => {
    const { python: first, plans: loaded } = filesOf(python('e', ['sklearn', 'numpy']), python('e', ['numpy', 'lightgbm']));
    assert.deepEqual([first?.environment.lock, first?.modules], ['e', ['sklearn', 'numpy', 'lightgbm']]);
    assert.deepEqual(
      loaded?.others.map(({ sha256, python: other }) => [sha256, other?.flavour]),
      [['m/2', 'sklearn']],
    );
  });

  for (const [what, ...runtimes] of [
    ['of another runtime', python('e', []), onnx],
    ['of another environment', python('e', []), python('f', [])],
    ['that are processes', process, process],
  ] as const) {
    test(`share no worker with models ${what}`, () => {
      assert.throws(() => filesOf(...runtimes), {
        code: 'unsupported',
        message: 'm/1 and m/2 cannot share a worker: expected one runtime and one environment',
      });
    });
  }
});

describe('the plans of a worker', () => {
  const signature = {
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 64] }],
    outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 10] }],
  } as const;
  const versionOf = (name: string): ModelVersion => ({ name, signature }) as unknown as ModelVersion;

  test('run each loaded model alone under the number that serving names it by', () => {
    const rung = (first: string, second: string | null) =>
      ({ name: '', first, second, threshold: 0.1, accuracy: 0, lower: 0, isCertified: true, escalated: 0 }) as const;
    const models = ['a/1', 'b/1', 'a/2'];
    for (const rungs of [[rung('b/1', null)], [rung('a/1', 'b/1')], [rung('a/1', null), rung('a/1', 'b/1'), rung('b/1', null)]]) {
      const ladder: LadderConfig = { models, rungs, floorRung: 0, floor: null, creditRowsMax: 0 };
      const { plans: made } = workerPlansOf(versionOf('a/1'), ladder, models.map(versionOf));
      for (const [place, model] of models.entries()) {
        const number = planAlone(ladder, model);
        if (number === null)
          assert(
            rungs.some(({ first }) => first === model),
            `${model} begins a cascade`,
          );
        else assert.deepEqual([made[number]?.first, made[number]?.second], [place, null], `${model} is plan ${number}`);
      }
      assert.notEqual(planAlone(ladder, 'a/2'), null, 'a challenger can run');
    }
  });

  test('run the model of a shadow that shares it, and serve without it', () => {
    const { plans: made, leastPlan } = shadowPlansOf(versionOf('a/1'), versionOf('a/2'));
    assert.deepEqual([made[0]?.first, made[shadowPlan]?.first, leastPlan], [0, 1, 0]);
  });
});
