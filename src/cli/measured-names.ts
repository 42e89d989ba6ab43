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

interface Wish {
  readonly endpoint: string;
  readonly variant: string;
  readonly name: string;
  readonly namespace: string | undefined;
}

/** Throws `Failure` that names what is measured of the variant; where nothing is, there is nothing wrong with the name. */
export async function measuredNames(client: Client, { endpoint, variant, name, namespace = 'Penstock' }: Wish): Promise<void> {
  const all = await listed(client, { endpoint, namespace });
  const own = all.filter(({ dimensions }) => dimensions.VariantName === variant && Object.keys(dimensions).length === 2);
  if (own.length === 0 || own.some((metric) => metric.name === name)) return;
  const known = own.map((metric) => metric.name).toSorted();
  throw new Failure(
    `nothing is measured as '${name}' of ${endpoint}, variant ${variant}, in ${namespace}: there are ${known.join(', ')}` +
      (namespace === 'Penstock' ? "; SageMaker's names need --namespace AWS/SageMaker" : ''),
  );
}

async function listed(client: Client, query: { readonly endpoint: string; readonly namespace?: string }): Promise<readonly MetricBody[]> {
  return (await client.get<Page<MetricBody>>('/metrics', { query: { ...query, limit: 500 } })).items;
}
