/** What is looked at every ten seconds, since nobody counts it as it changes. */
import { type Looked, penstockNamespace, placeOfVariant } from '../monitoring/index.ts';
import type { WorkerView } from '../providers/index.ts';
import type { Serving } from '../serving/index.ts';

export interface SamplingNeeds {
  readonly serving: Pick<Serving, 'endpoints'>;
  readonly workers: () => readonly WorkerView[];
}

export function sampling({ serving, workers }: SamplingNeeds): () => Looked[] {
  return () => [
    ...serving.endpoints().flatMap(({ name, variants }) => variants.flatMap((variant) => ofVariant(name, variant))),
    ...workers().flatMap(ofWorker),
  ];
}

type ServedVariant = ReturnType<Serving['endpoints']>[number]['variants'][number];

function ofVariant(endpoint: string, variant: ServedVariant): Looked[] {
  const place = placeOfVariant(penstockNamespace, endpoint, variant.name);
  const instances = variant.executors.filter(({ isFunction }) => !isFunction).length;
  const counts = { Instances: instances, Functions: variant.executors.length - instances, QueueRows: variant.rowsWaiting };
  return Object.entries(counts).map(([metric, value]) => ({ place, metric: { name: metric, unit: 'Count' }, value }));
}

function ofWorker({ spec, rssBytes }: WorkerView): Looked[] {
  if (rssBytes === null) return [];
  const { dimensions } = placeOfVariant(penstockNamespace, spec.endpoint, spec.variant);
  const place = { namespace: penstockNamespace, dimensions: { ...dimensions, Worker: spec.id } };
  return [{ place, metric: { name: 'WorkerMemory', unit: 'Bytes' }, value: rssBytes }];
}
