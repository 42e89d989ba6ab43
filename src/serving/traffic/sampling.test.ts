import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import type { SampledValue } from '../../metrics/index.ts';
import type { WorkerView } from '../../providers/index.ts';
import { type SamplingDeps, sampling } from './sampling.ts';

const shown = (samples: readonly SampledValue[]): string[] =>
  samples.map(
    ({ metricKey, metric, value }) => `${metricKey.namespace} ${Object.values(metricKey.dimensions).join('/')} ${metric.name} ${value}`,
  );

type Variant = ReturnType<SamplingDeps['serving']['endpoints']>[number]['variants'][number];

function fixture() {
  const clock = new VirtualClock();
  const variant = { name: 'v', executors: [] as { isFunction: boolean }[], rowsWaiting: 0, overflow: null, functions: null as unknown };
  const variants = [variant];
  const workers: WorkerView[] = [];
  const usage = { totalUsd: 0 };
  const series = { dropped: 0 };
  const sample = sampling({
    clock,
    serving: { endpoints: () => [{ name: 'e', isReady: true, reason: null, objective: null, variants: variants as unknown as Variant[] }] },
    workers: () => workers,
    ledger: { variants: () => [{ endpoint: 'e', variant: 'v', usage: usage as never }] },
    series,
  });
  const worker = (id: string, kind: 'instance' | 'function', cpuMs: () => number): WorkerView => {
    const spec = { id, endpoint: 'e', variant: 'v', kind, memoryMiB: 1024 } as WorkerView['spec'];
    return { spec, state: 'ready', pid: 7, rssBytes: 256 * 2 ** 20, cpuMs, restarts: 0, reason: null, startedAtMs: 0, readyAtMs: 0 };
  };
  return { clock, variant, variants, workers, usage, series, sample, worker };
}

describe('sampled values', () => {
  test('are empty if nothing runs, after reporting the end once', () => {
    const { variant, sample } = fixture();
    assert.deepEqual(sample(), []);
    variant.executors.push({ isFunction: false });
    assert.deepEqual(shown(sample()), ['Penstock e/v Instances 1', 'Penstock e/v Functions 0', 'Penstock e/v QueueRows 0']);
    variant.executors.pop();
    assert.deepEqual(shown(sample()), ['Penstock e/v Instances 0', 'Penstock e/v Functions 0', 'Penstock e/v QueueRows 0']);
    assert.deepEqual(sample(), []);
  });

  test('combine both fleets during an update', () => {
    const { variant, variants, sample } = fixture();
    variants.push({ ...variant, executors: [{ isFunction: false }, { isFunction: false }], rowsWaiting: 3 });
    variant.executors.push({ isFunction: false });
    assert.deepEqual(shown(sample()), ['Penstock e/v Instances 3', 'Penstock e/v Functions 0', 'Penstock e/v QueueRows 3']);
  });

  test('report processor and memory use per worker, without series for function environments', () => {
    const { clock, workers, sample, worker } = fixture();
    let cpu = 1000;
    workers.push(
      worker('a', 'instance', () => cpu),
      worker('b', 'function', () => cpu),
    );
    assert.equal(shown(sample()).filter((line) => line.includes('CPUUtilization')).length, 0);
    clock.advance(10_000);
    cpu += 15_000;
    assert.deepEqual(shown(sample()), [
      '/aws/sagemaker/Endpoints e/v MemoryUtilization 25',
      '/aws/sagemaker/Endpoints e/v CPUUtilization 150',
      `Penstock e/v/0 WorkerMemory ${256 * 2 ** 20}`,
      'Penstock e/v/0 WorkerProcessor 150',
      '/aws/sagemaker/Endpoints e/v MemoryUtilization 25',
      '/aws/sagemaker/Endpoints e/v CPUUtilization 150',
    ]);
  });

  test('report cost and drops since the last sample, and the utilization of functions', () => {
    const { variant, usage, series, sample } = fixture();
    Object.assign(usage, { totalUsd: 0.5, functionUsd: 0.125, provisionedUsd: 0.25 });
    series.dropped = 3;
    variant.executors.push({ isFunction: true });
    variant.functions = { config: { maxConcurrency: 10, provisioned: 2 }, environments: { starting: 0, idle: 0, busy: 4 } };
    assert.deepEqual(shown(sample()), [
      'Penstock e/v Instances 0',
      'Penstock e/v Functions 1',
      'Penstock e/v QueueRows 0',
      'AWS/SageMaker e/v ServerlessConcurrentExecutionsUtilization 0.4',
      'AWS/SageMaker e/v ServerlessProvisionedConcurrencyExecutions 2',
      'AWS/SageMaker e/v ServerlessProvisionedConcurrencyUtilization 1',
      'Penstock e/v Spent 0.5',
      'Penstock e/v InstancesCost 0.125',
      'Penstock e/v FunctionsCost 0.375',
      'Penstock  MetricValuesDropped 3',
    ]);
    assert.deepEqual(
      shown(sample()).filter((line) => /Spent|Dropped/.test(line)),
      [],
    );
  });
});
