import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ModelRuntime } from '../../registry/index.ts';
import type { WorkerPlans } from '../../runtime/index.ts';
import { ladderFiles } from './ladder-workers.ts';

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
