/** What the variants of an endpoint measured, all of them together, by period. */
import { type Measured, type MetricStore, placeOfVariant, Together } from '../monitoring/index.ts';

export interface Span {
  /** Epoch milliseconds; both multiples of the period. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly periodMs: number;
}

/** By the beginning of the period; those in which nothing was measured are not there. */
export type ByPeriod = ReadonlyMap<number, Measured>;

export type Store = Pick<MetricStore, 'columns' | 'namesOf'>;

/** Each metric by its name; a metric that ends in `*` is all that begin so, as one. */
export async function together<Name extends string>(
  store: Store,
  { namespace, endpoint, variants }: { readonly namespace: string; readonly endpoint: string; readonly variants: readonly string[] },
  span: Span,
  names: readonly Name[],
): Promise<Record<Name, ByPeriod>> {
  const sums = new Map<Name, Map<number, Together>>(names.map((name) => [name, new Map()]));
  for (const variant of variants) {
    const place = placeOfVariant(namespace, endpoint, variant);
    const own = names.flatMap((name) =>
      (name.endsWith('*') ? store.namesOf(place, name.slice(0, -1)) : [name]).map((metric) => ({ name, metric })),
    );
    const read = await store.columns(
      { place, ...span },
      own.map(({ metric }) => metric),
    );
    for (const { name, metric } of own) for (const point of read[metric] ?? []) add(sums.get(name), point.atMs, point);
  }
  return Object.fromEntries(sums) as unknown as Record<Name, ByPeriod>;
}

function add(into: Map<number, Together> | undefined, atMs: number, measured: Measured): void {
  let sum = into?.get(atMs);
  if (sum === undefined) into?.set(atMs, (sum = new Together()));
  sum?.add(measured);
}
