/** Of which variant, and by which names, something was measured: told where a person asks for what is not there. */
import type { EndpointBody, MetricBody, Page } from '../api/index.ts';
import { type Client, part } from './client.ts';
import { Failure, Refusal } from './failure.ts';

/** The one that is named, or the only one. Throws `Failure` that names those there are. */
export async function variantMeant(client: Client, endpoint: string, asked: string | undefined): Promise<string> {
  const names = await variantsOf(client, endpoint);
  const is = (name: string): boolean => name.toLowerCase() === asked?.toLowerCase();
  const found = asked === undefined && names.length === 1 ? names[0] : names.find(is);
  if (found !== undefined) return found;
  const are = names.join(', ');
  throw new Failure(
    asked === undefined
      ? `endpoint ${endpoint} has ${names.length} variants: say which with --variant, one of ${are}`
      : `endpoint ${endpoint} has no variant '${asked}': it has ${are}`,
    2,
  );
}

/** Also of an endpoint that was deleted, as long as what it measured is kept. */
async function variantsOf(client: Client, endpoint: string): Promise<string[]> {
  try {
    return (await client.get<EndpointBody>(`/endpoints/${part(endpoint)}`)).variants.map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof Refusal && error.code === 'not_found')) throw error;
    const kept = new Set((await listed(client, { endpoint })).flatMap(({ dimensions }) => dimensions.VariantName ?? []));
    if (kept.size === 0) throw error;
    return [...kept];
  }
}

/** What every variant measures once requests come, in the namespaces that have it. */
const withRequests: Readonly<Record<string, readonly string[]>> = {
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

interface Wish {
  readonly endpoint: string;
  readonly variant: string;
  readonly worker: string | undefined;
  readonly name: string;
  readonly namespace: string | undefined;
}

/** Throws `Failure` that names what is measured of the variant, unless that is only for want of requests. */
export async function measuredNames(client: Client, { endpoint, variant, worker, name, namespace = 'Penstock' }: Wish): Promise<void> {
  const all = await listed(client, { endpoint, namespace });
  const workers = all.filter((metric) => metric.name === name && metric.dimensions.VariantName === variant);
  const numbers = workers.flatMap(({ dimensions }) => dimensions.Worker ?? []).toSorted((a, b) => Number(a) - Number(b));
  if (numbers.length > 0 && (worker === undefined || !numbers.includes(worker))) {
    throw new Failure(`'${name}' is measured of each worker: say which with --worker, one of ${numbers.join(', ')}`, 2);
  }
  const own = all.filter(({ dimensions }) => dimensions.VariantName === variant && Object.keys(dimensions).length === 2);
  const common = Object.hasOwn(withRequests, namespace) ? (withRequests[namespace] ?? []) : [];
  const known = [...new Set([...own.map((metric) => metric.name), ...common])].toSorted();
  if (known.length === 0 || known.includes(name)) return;
  throw new Failure(
    `'${name}' is not measured of ${endpoint}, variant ${variant}, in ${namespace}: there are ${known.join(', ')}` +
      (namespace === 'Penstock' ? "; SageMaker's names need --namespace AWS/SageMaker" : ''),
  );
}

async function listed(client: Client, query: { readonly endpoint: string; readonly namespace?: string }): Promise<readonly MetricBody[]> {
  return (await client.get<Page<MetricBody>>('/metrics', { query: { ...query, limit: 500 } })).items;
}
