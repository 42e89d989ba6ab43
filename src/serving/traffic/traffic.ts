/** Chooses the variant of a request: by weight, by requested version, or by variant name. */

import { PlatformError } from '../../errors.ts';
import { sameName } from '../../names.ts';
import type { Objective } from '../../objective.ts';
import { pickByWeight, type Random } from '../../random.ts';
import { multiModelUri } from '../../registry/index.ts';
import type { PoolSettings } from '../executor-pool.ts';
import type { VariantPool } from '../variant-pool.ts';

/** An endpoint's routing. */
export interface Routing {
  readonly name: string;
  readonly objective: Objective | null;
  readonly settings: PoolSettings;
  /** Those that answer requests. */
  readonly variants: readonly RoutedVariant[];
  /** Receives copies of a share of the requests; null if there is none. `weight` is the share. */
  readonly shadow: RoutedVariant | null;
  /** True while unloaded: new requests are rejected until it is loaded again. */
  isSuspended: boolean;
}

/** A variant's pool and its weight in the traffic split. */
export interface RoutedVariant {
  readonly pool: VariantPool;
  readonly weight: number;
}

/** All variants, with the shadow. */
export function routedVariants({ variants, shadow }: Routing): readonly RoutedVariant[] {
  return shadow === null ? variants : [...variants, shadow];
}

/** Selects a variant by weight. Throws `unavailable` if all weights are 0. */
export function variantByWeight({ name, variants }: Routing, random: Random): VariantPool {
  const chosen = pickByWeight(variants, random);
  if (chosen === undefined) {
    throw new PlatformError('unavailable', `endpoint ${name} has no variant with traffic. Set a weight above 0, or request a version`);
  }
  return chosen.pool;
}

/** Selects a variant by model version. Throws `not_found` for a version that is not served. */
export function variantByVersion({ name, variants }: Routing, version: string): VariantPool {
  const chosen = variants.find(({ pool }) => pool.version === version);
  if (chosen === undefined) {
    const known = variants.map(({ pool }) => pool.version).join(', ');
    throw new PlatformError('not_found', `endpoint ${name} does not serve version '${version}': expected one of ${known}`);
  }
  return chosen.pool;
}

/** Selects the variant of that name, regardless of its weight. Throws `not_found` if it does not exist. */
export function variantByName({ name, variants }: Routing, variant: string, random: Random): VariantPool {
  const ofName = variants.filter(({ pool }) => sameName(pool.variant, variant));
  // During a gradual update, two variants have the same name.
  const chosen = pickByWeight(ofName, random) ?? ofName[0];
  if (chosen !== undefined) return chosen.pool;
  const known = variants.map(({ pool }) => pool.variant).join(', ');
  throw new PlatformError('not_found', `endpoint ${name} has no variant '${variant}': expected one of ${known}`);
}

/** Returns the pool; throws `unavailable` if the endpoint is unloaded. */
export function requireAcceptingPool(routing: Routing, pool: VariantPool): VariantPool {
  if (!routing.isSuspended) return pool;
  const cure = `Load it with \`penstock load ${routing.name}\` or POST /v2/repository/models/${routing.name}/load`;
  throw new PlatformError('unavailable', `endpoint ${routing.name} is unloaded. ${cure}`, { retryAfterMs: 1000 });
}

/** Returns the pool; throws `invalid_request` if it serves many models, one of which each request must name. */
export function requireOneModel(pool: VariantPool): VariantPool {
  if (pool.folder === null) return pool;
  const { endpoint, folder } = pool;
  throw new PlatformError(
    'invalid_request',
    `endpoint ${endpoint} serves the models at ${multiModelUri(folder)}: expected a call of InvokeEndpoint with TargetModel, got one without`,
  );
}
