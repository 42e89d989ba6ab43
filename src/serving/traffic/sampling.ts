/** Values sampled every ten seconds because they are not counted as they change. */
import { totalmem } from 'node:os';
import type { Clock } from '../../clock.ts';
import type { Ledger } from '../../costs/index.ts';
import {
  endpointsNamespace,
  type MetricStore,
  penstockNamespace,
  type SampledValue,
  sagemakerNamespace,
  variantMetricKey,
} from '../../metrics/index.ts';
import type { WorkerView } from '../../providers/index.ts';
import { type Serving } from '../serving.ts';

/** What is sampled. */
export interface SamplingDeps {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly serving: Pick<Serving, 'endpoints'>;
  readonly workers: () => readonly WorkerView[];
  readonly ledger: Pick<Ledger, 'variants'>;
  readonly series: Pick<MetricStore, 'dropped'>;
}

/** Returns a stateful sampler: utilization and cost are differences from its previous call. */
export function sampling({ clock, serving, workers, ledger, series }: SamplingDeps): () => SampledValue[] {
  const processors = new Processors(clock);
  const spending = new Spending();
  const dropping = new Rise();
  // The variants with executors or waiting rows at the last sample. A variant that became idle is reported once more, then no longer.
  let running = new Set<string>();
  return () => {
    const dropped = dropping.since(series.dropped);
    const ran = running;
    running = new Set();
    const reported = serving
      .endpoints()
      .flatMap(({ name, variants }) => mergedByName(variants).map((variant) => ({ name, variant, key: `${name}/${variant.name}` })));
    for (const { key, variant } of reported) if (variant.executors.length + variant.rowsWaiting > 0) running.add(key);
    return [
      ...reported.filter(({ key }) => running.has(key) || ran.has(key)).flatMap(({ name, variant }) => ofVariant(name, variant)),
      ...processors.of(workers()),
      ...spending.of(ledger),
      ...(dropped > 0 ? [{ metricKey: platformMetricKey, metric: { name: 'MetricValuesDropped', unit: 'Count' }, value: dropped }] : []),
    ];
  };
}

const platformMetricKey = { namespace: penstockNamespace, dimensions: {} };

type ServedVariant = ReturnType<Serving['endpoints']>[number]['variants'][number];

/** Merges variants of the same name: during a gradual update, the old and the new version both serve. */
function mergedByName(variants: readonly ServedVariant[]): ServedVariant[] {
  const byName = new Map<string, ServedVariant>();
  for (const variant of variants) {
    const other = byName.get(variant.name);
    const merged = other && { executors: [...other.executors, ...variant.executors], rowsWaiting: other.rowsWaiting + variant.rowsWaiting };
    byName.set(variant.name, { ...(other ?? variant), ...merged });
  }
  return [...byName.values()];
}

function ofVariant(endpoint: string, { name, executors, rowsWaiting, overflow, functions }: ServedVariant): SampledValue[] {
  const metricKey = variantMetricKey(penstockNamespace, endpoint, name);
  const instances = executors.filter(({ isFunction }) => !isFunction).length;
  const counts = { Instances: instances, Functions: executors.length - instances, QueueRows: rowsWaiting };
  const samples = Object.entries(counts).map(
    ([metric, value]): SampledValue => ({ metricKey, metric: { name: metric, unit: 'Count' }, value }),
  );
  if (overflow !== null) samples.push({ metricKey, metric: { name: 'OverflowShare', unit: 'None' }, value: overflow.share });
  if (functions === null || overflow !== null) return samples;
  return [...samples, ...ofServerless(endpoint, name, functions)];
}

/** SageMaker's metrics of a serverless variant. */
function ofServerless(
  endpoint: string,
  variant: string,
  { config, environments: { busy } }: NonNullable<ServedVariant['functions']>,
): SampledValue[] {
  const metricKey = variantMetricKey(sagemakerNamespace, endpoint, variant);
  const { maxConcurrency, provisioned } = config;
  const inProvisioned = Math.min(busy, provisioned);
  const values = {
    ServerlessConcurrentExecutionsUtilization: busy / maxConcurrency,
    ...(provisioned === 0
      ? {}
      : {
          ServerlessProvisionedConcurrencyExecutions: inProvisioned,
          ServerlessProvisionedConcurrencyUtilization: inProvisioned / provisioned,
        }),
  };
  return Object.entries(values).map(([name, value]) => ({ metricKey, metric: { name, unit: 'None' }, value }));
}

/**
 * Processor and memory use of workers: per variant with the metrics of SageMaker, per worker with metrics of Penstock. 100 percent is one
 * full processor. The first sample of a process has no processor use.
 */
class Processors {
  readonly #clock: Pick<Clock, 'nowMs'>;
  /** Last sample by worker. */
  #previous = new Map<string, { readonly pid: number; readonly cpuMs: number; readonly atMs: number }>();

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
  }

  of(workers: readonly WorkerView[]): SampledValue[] {
    const before = this.#previous;
    this.#previous = new Map();
    const samples: SampledValue[] = [];
    const atMs = this.#clock.nowMs();
    const numbers = new Map<string, number>();
    for (const { spec, pid, rssBytes, cpuMs } of workers) {
      const cpu = cpuMs?.() ?? null;
      if (pid === null || cpu === null || rssBytes === null || spec.endpoint === '') continue;
      this.#previous.set(spec.id, { pid, cpuMs: cpu, atMs });
      const last = before.get(spec.id);
      const percent = last?.pid === pid && atMs > last.atMs ? (100 * (cpu - last.cpuMs)) / (atMs - last.atMs) : null;
      // Workers without a memory limit are compared with the memory of the machine.
      const memoryBytes = spec.memoryMiB > 0 ? spec.memoryMiB * 2 ** 20 : totalmem();
      const metricKey = variantMetricKey(endpointsNamespace, spec.endpoint, spec.variant);
      samples.push({ metricKey, metric: { name: 'MemoryUtilization', unit: 'Percent' }, value: (100 * rssBytes) / memoryBytes });
      if (percent !== null) samples.push({ metricKey, metric: { name: 'CPUUtilization', unit: 'Percent' }, value: percent });
      // Function environments are short-lived and get no separate series. Instances are numbered, because their names are reused.
      if (spec.kind === 'function') continue;
      const key = `${spec.endpoint}/${spec.variant}`;
      const number = numbers.get(key) ?? 0;
      numbers.set(key, number + 1);
      samples.push(...ofInstance(spec, number, rssBytes, percent));
    }
    return samples;
  }
}

function ofInstance({ endpoint, variant }: WorkerView['spec'], number: number, rssBytes: number, percent: number | null): SampledValue[] {
  const { dimensions } = variantMetricKey(penstockNamespace, endpoint, variant);
  const metricKey = { namespace: penstockNamespace, dimensions: { ...dimensions, Worker: String(number) } };
  const memory = { metricKey, metric: { name: 'WorkerMemory', unit: 'Bytes' }, value: rssBytes };
  return percent === null ? [memory] : [memory, { metricKey, metric: { name: 'WorkerProcessor', unit: 'Percent' }, value: percent }];
}

/** Cost of variants, with or without traffic: idle instances cost as much as busy ones. */
class Spending {
  readonly #previousUsd = new Map<string, { readonly all: Rise; readonly functions: Rise }>();

  of(ledger: SamplingDeps['ledger']): SampledValue[] {
    return ledger.variants().flatMap(({ endpoint, variant, usage }) => {
      const key = `${endpoint}/${variant}`;
      let rises = this.#previousUsd.get(key);
      if (rises === undefined) this.#previousUsd.set(key, (rises = { all: new Rise(), functions: new Rise() }));
      const usd = rises.all.since(usage.totalUsd);
      const functionsUsd = rises.functions.since(usage.functionUsd + usage.provisionedUsd);
      if (usd <= 0) return [];
      const metricKey = variantMetricKey(penstockNamespace, endpoint, variant);
      const costs = { Spent: usd, InstancesCost: Math.max(0, usd - functionsUsd), FunctionsCost: functionsUsd };
      return Object.entries(costs).map(([name, value]) => ({ metricKey, metric: { name, unit: 'None' }, value }));
    });
  }
}

/** Growth of a value since the last sample. */
class Rise {
  #last = 0;

  since(value: number): number {
    const rise = value - this.#last;
    this.#last = value;
    return rise;
  }
}
