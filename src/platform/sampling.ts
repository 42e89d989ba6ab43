/** What is looked at every ten seconds, since nobody counts it as it changes. */
import { totalmem } from 'node:os';
import type { Clock } from '../clock.ts';
import type { Ledger } from '../costs/index.ts';
import {
  endpointsNamespace,
  type Looked,
  type MetricStore,
  penstockNamespace,
  placeOfVariant,
  sagemakerNamespace,
} from '../monitoring/index.ts';
import type { WorkerView } from '../providers/index.ts';
import type { Serving } from '../serving/index.ts';

export interface SamplingNeeds {
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly serving: Pick<Serving, 'endpoints'>;
  readonly workers: () => readonly WorkerView[];
  readonly ledger: Pick<Ledger, 'variants'>;
  readonly series: Pick<MetricStore, 'dropped'>;
}

export function sampling({ clock, serving, workers, ledger, series }: SamplingNeeds): () => Looked[] {
  const processors = new Processors(clock);
  const spending = new Spending();
  const dropping = new Rise();
  // Who has nothing and waits for nothing is told once, and writes nothing from then on.
  let running = new Set<string>();
  return () => {
    const dropped = dropping.since(series.dropped);
    const ran = running;
    running = new Set();
    const told = serving
      .endpoints()
      .flatMap(({ name, variants }) => together(variants).map((variant) => ({ name, variant, key: `${name}/${variant.name}` })));
    for (const { key, variant } of told) if (variant.executors.length + variant.rowsWaiting > 0) running.add(key);
    return [
      ...told.filter(({ key }) => running.has(key) || ran.has(key)).flatMap(({ name, variant }) => ofVariant(name, variant)),
      ...processors.of(workers()),
      ...spending.of(ledger),
      ...(dropped > 0 ? [{ place: platformPlace, metric: { name: 'MetricValuesDropped', unit: 'Count' }, value: dropped }] : []),
    ];
  };
}

const platformPlace = { namespace: penstockNamespace, dimensions: {} };

type ServedVariant = ReturnType<Serving['endpoints']>[number]['variants'][number];

/** While an update takes over step by step, two serve under one name. */
function together(variants: readonly ServedVariant[]): ServedVariant[] {
  const byName = new Map<string, ServedVariant>();
  for (const variant of variants) {
    const other = byName.get(variant.name);
    const merged = other && { executors: [...other.executors, ...variant.executors], rowsWaiting: other.rowsWaiting + variant.rowsWaiting };
    byName.set(variant.name, { ...(other ?? variant), ...merged });
  }
  return [...byName.values()];
}

function ofVariant(endpoint: string, { name, executors, rowsWaiting, overflow, functions }: ServedVariant): Looked[] {
  const place = placeOfVariant(penstockNamespace, endpoint, name);
  const instances = executors.filter(({ isFunction }) => !isFunction).length;
  const counts = { Instances: instances, Functions: executors.length - instances, QueueRows: rowsWaiting };
  const looked = Object.entries(counts).map(([metric, value]): Looked => ({ place, metric: { name: metric, unit: 'Count' }, value }));
  if (overflow !== null) looked.push({ place, metric: { name: 'OverflowShare', unit: 'None' }, value: overflow.share });
  if (functions === null || overflow !== null) return looked;
  return [...looked, ...ofServerless(endpoint, name, functions)];
}

/** SageMaker's words for a serverless variant. */
function ofServerless(
  endpoint: string,
  variant: string,
  { config, environments: { busy } }: NonNullable<ServedVariant['functions']>,
): Looked[] {
  const place = placeOfVariant(sagemakerNamespace, endpoint, variant);
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
  return Object.entries(values).map(([name, value]) => ({ place, metric: { name, unit: 'None' }, value }));
}

/** What workers use of processors and memory: by variant as SageMaker tells it, by worker in our own words. */
class Processors {
  readonly #clock: Pick<Clock, 'nowMs'>;
  /** By worker, as it was last seen. */
  #seen = new Map<string, { readonly pid: number; readonly cpuMs: number; readonly atMs: number }>();

  constructor(clock: Pick<Clock, 'nowMs'>) {
    this.#clock = clock;
  }

  of(workers: readonly WorkerView[]): Looked[] {
    const before = this.#seen;
    this.#seen = new Map();
    const looked: Looked[] = [];
    const atMs = this.#clock.nowMs();
    const numbers = new Map<string, number>();
    for (const { spec, pid, rssBytes, cpuMs } of workers) {
      const cpu = cpuMs?.() ?? null;
      if (pid === null || cpu === null || rssBytes === null || spec.endpoint === '') continue;
      this.#seen.set(spec.id, { pid, cpuMs: cpu, atMs });
      const last = before.get(spec.id);
      const percent = last?.pid === pid && atMs > last.atMs ? (100 * (cpu - last.cpuMs)) / (atMs - last.atMs) : null;
      const memoryBytes = spec.memoryMiB > 0 ? spec.memoryMiB * 2 ** 20 : totalmem();
      const place = placeOfVariant(endpointsNamespace, spec.endpoint, spec.variant);
      looked.push({ place, metric: { name: 'MemoryUtilization', unit: 'Percent' }, value: (100 * rssBytes) / memoryBytes });
      if (percent !== null) looked.push({ place, metric: { name: 'CPUUtilization', unit: 'Percent' }, value: percent });
      // Environments of functions come and go without end: each has no series of its own. Instances have numbers, since their names do too.
      if (spec.kind === 'function') continue;
      const key = `${spec.endpoint}/${spec.variant}`;
      const number = numbers.get(key) ?? 0;
      numbers.set(key, number + 1);
      looked.push(...ofInstance(spec, number, rssBytes, percent));
    }
    return looked;
  }
}

function ofInstance({ endpoint, variant }: WorkerView['spec'], number: number, rssBytes: number, percent: number | null): Looked[] {
  const { dimensions } = placeOfVariant(penstockNamespace, endpoint, variant);
  const place = { namespace: penstockNamespace, dimensions: { ...dimensions, Worker: String(number) } };
  const memory = { place, metric: { name: 'WorkerMemory', unit: 'Bytes' }, value: rssBytes };
  return percent === null ? [memory] : [memory, { place, metric: { name: 'WorkerProcessor', unit: 'Percent' }, value: percent }];
}

/** What variants cost, whoever came: instances that wait cost as much as those that work. */
class Spending {
  readonly #spent = new Map<string, { readonly all: Rise; readonly functions: Rise }>();

  of(ledger: SamplingNeeds['ledger']): Looked[] {
    return ledger.variants().flatMap(({ endpoint, variant, usage }) => {
      const key = `${endpoint}/${variant}`;
      let rises = this.#spent.get(key);
      if (rises === undefined) this.#spent.set(key, (rises = { all: new Rise(), functions: new Rise() }));
      const usd = rises.all.since(usage.totalUsd);
      const functionsUsd = rises.functions.since(usage.functionUsd + usage.provisionedUsd);
      if (usd <= 0) return [];
      const place = placeOfVariant(penstockNamespace, endpoint, variant);
      const spent = { Spent: usd, InstancesSpent: Math.max(0, usd - functionsUsd), FunctionsSpent: functionsUsd };
      return Object.entries(spent).map(([name, value]) => ({ place, metric: { name, unit: 'None' }, value }));
    });
  }
}

/** How much something has grown since it was last looked at. */
class Rise {
  #last = 0;

  since(value: number): number {
    const rise = value - this.#last;
    this.#last = value;
    return rise;
  }
}
