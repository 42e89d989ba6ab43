/** Endpoints whose requests may be decoded in another process, because nothing but their variant has a part in them. */
import type { ServedRoute } from '../request.ts';
import type { Routing } from './traffic.ts';

export interface PlainEndpoint {
  readonly name: string;
  readonly variants: readonly { readonly route: ServedRoute; readonly weight: number }[];
}

export function plainEndpointsOf(routings: Iterable<Routing>): readonly PlainEndpoint[] {
  return Array.from(routings).flatMap(({ name, variants, shadow, isSuspended }) => {
    const isPlain = variants.every(
      ({ pool }) => pool.payload === 'tensors' && pool.folder === null && pool.ladder === null && !pool.isWatched && !pool.isRetired,
    );
    if (!isPlain || shadow !== null || isSuspended) return [];
    return [{ name, variants: variants.map(({ pool, weight }) => ({ route: pool, weight })) }];
  });
}
