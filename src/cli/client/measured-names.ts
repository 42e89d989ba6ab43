/** Resolves variants and metric names, with errors that list the existing ones. */
import type { EndpointBody, MetricBody, PageBody } from '../../api/index.ts';
import { CliError, ServerError } from '../cli-error.ts';
import { type Client, pathSegment } from './client.ts';

/** The named variant, or the only one. Throws a `CliError` that lists the endpoint's variants. */
export async function resolveVariant(client: Client, endpoint: string, requested: string | undefined): Promise<string> {
  const names = await variantsOf(client, endpoint);
  const is = (name: string): boolean => name.toLowerCase() === requested?.toLowerCase();
  const found = requested === undefined && names.length === 1 ? names[0] : names.find(is);
  if (found !== undefined) return found;
  const existing = names.join(', ');
  throw new CliError(
    requested === undefined
      ? `endpoint ${endpoint} has ${names.length} variants: choose one with --variant: ${existing}`
      : `endpoint ${endpoint} has no variant '${requested}': expected one of ${existing}`,
    2,
  );
}

/** Includes deleted endpoints for as long as their metrics are retained. */
async function variantsOf(client: Client, endpoint: string): Promise<string[]> {
  try {
    return (await client.get<EndpointBody>(`/endpoints/${pathSegment(endpoint)}`)).variants.map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof ServerError && error.code === 'not_found')) throw error;
    const retained = new Set((await listed(client, { endpoint })).flatMap(({ dimensions }) => dimensions.VariantName ?? []));
    if (retained.size === 0) throw error;
    return [...retained];
  }
}

/** The metrics that every variant reports once it has traffic, by namespace. */
const trafficMetrics: Readonly<Record<string, readonly string[]>> = {
  Penstock: ['BatchRows', 'ComputeTime', 'Cost', 'EncodeTime', 'Latency', 'ObjectiveMissed', 'QueueTime', 'Rows'],
  'AWS/SageMaker': [
    'Invocation4XXErrors',
    'Invocation5XXErrors',
    'InvocationModelErrors',
    'Invocations',
    'InvocationsPerInstance',
    'ModelLatency',
    'OverheadLatency',
  ],
};

interface MetricNamesQuery {
  readonly endpoint: string;
  readonly variant: string;
  readonly worker: string | undefined;
  readonly name: string;
  readonly namespace: string | undefined;
}

/** Throws a `CliError` that lists the variant's metrics, unless the metric is valid and only lacks traffic. */
export async function measuredNames(
  client: Client,
  { endpoint, variant, worker, name, namespace = 'Penstock' }: MetricNamesQuery,
): Promise<void> {
  const all = await listed(client, { endpoint, namespace });
  const workers = all.filter((metric) => metric.name === name && metric.dimensions.VariantName === variant);
  const numbers = workers.flatMap(({ dimensions }) => dimensions.Worker ?? []).toSorted((a, b) => Number(a) - Number(b));
  if (numbers.length > 0 && (worker === undefined || !numbers.includes(worker))) {
    throw new CliError(`'${name}' is a metric of each worker: choose one with --worker: ${numbers.join(', ')}`, 2);
  }
  const own = all.filter(({ dimensions }) => dimensions.VariantName === variant && Object.keys(dimensions).length === 2);
  const common = Object.hasOwn(trafficMetrics, namespace) ? (trafficMetrics[namespace] ?? []) : [];
  const known = [...new Set([...own.map((metric) => metric.name), ...common])].toSorted();
  if (known.length === 0 || known.includes(name)) return;
  throw new CliError(
    `${endpoint}, variant ${variant}, has no metric '${name}' in ${namespace}: expected one of ${known.join(', ')}` +
      (namespace === 'Penstock' ? '. SageMaker metrics need --namespace AWS/SageMaker' : ''),
  );
}

/** The dimensions of a metric: those of the variant, or of the whole endpoint if only that has it. Throws like the others. */
export async function dimensionsOfMetric(
  client: Client,
  endpoint: string,
  {
    variant: requested,
    name,
    namespace = 'Penstock',
  }: { readonly variant?: string | undefined; readonly name: string; readonly namespace?: string | undefined },
): Promise<Readonly<Record<string, string>>> {
  const variant = await resolveVariant(client, endpoint, requested);
  const same = (await listed(client, { endpoint, namespace })).filter((metric) => metric.name === name);
  const isOfVariant = same.some(({ dimensions }) => dimensions.VariantName === variant);
  const whole = same.find(({ dimensions }) => Object.keys(dimensions).join() === 'EndpointName');
  if (!isOfVariant && whole !== undefined && requested === undefined) return whole.dimensions;
  await measuredNames(client, { endpoint, variant, worker: undefined, name, namespace });
  return { EndpointName: endpoint, VariantName: variant };
}

async function listed(client: Client, query: { readonly endpoint: string; readonly namespace?: string }): Promise<readonly MetricBody[]> {
  return (await client.get<PageBody<MetricBody>>('/metrics', { query: { ...query, limit: 500 } })).items;
}
