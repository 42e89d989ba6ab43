/** Endpoints whose requests may be decoded in another process, because nothing but their variant has a part in them. */
import type { Ladder } from '../ladder.ts';
import type { ServedRoute } from '../request.ts';
import type { Routing } from './traffic.ts';

/** What a gateway process knows of an endpoint: enough to decode its requests without the server. */
export interface PlainEndpoint {
  readonly name: string;
  readonly variants: readonly PlainVariant[];
}

interface PlainVariant {
  readonly route: ServedRoute;
  readonly weight: number;
  /** The only plan of a selection, which is a model alone; null without a selection. */
  readonly plan: { readonly name: string; readonly model: string } | null;
}

/** Leaves out what needs the server: byte payloads, watched or retired variants, multi-model folders. */
export function plainEndpointsOf(routings: Iterable<Routing>): readonly PlainEndpoint[] {
  return Array.from(routings).flatMap(({ name, variants, shadow, isSuspended }) => {
    const isPlain = variants.every(
      ({ pool }) =>
        pool.payload === 'tensors' &&
        pool.folder === null &&
        (pool.ladder === null || planOf(pool.ladder) !== null) &&
        !pool.isWatched &&
        !pool.isRetired,
    );
    if (!isPlain || shadow !== null || isSuspended) return [];
    return [{ name, variants: variants.map(({ pool, weight }) => ({ route: pool, weight, plan: planOf(pool.ladder) })) }];
  });
}

function planOf(ladder: Ladder | null): PlainVariant['plan'] {
  const [rung, ...others] = ladder?.config.rungs ?? [];
  return rung === undefined || others.length > 0 || rung.second !== null ? null : { name: rung.name, model: rung.first };
}
