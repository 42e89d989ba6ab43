/** Which variant a request goes to: by weight, by the version it names, or by the variant's own name. */
import { PlatformError } from '../errors.ts';
import type { Objective } from '../objective.ts';
import type { Random } from '../random.ts';
import type { PoolSettings } from './side.ts';
import type { VariantPool } from './variant-pool.ts';

/** An endpoint as requests are routed to it. */
export interface Routing {
  readonly name: string;
  readonly objective: Objective | null;
  readonly settings: PoolSettings;
  readonly variants: readonly RoutedVariant[];
  /** Stopped on purpose: no new requests until it is served again. */
  isSuspended: boolean;
}

export interface RoutedVariant {
  readonly pool: VariantPool;
  readonly weight: number;
}

/** Throws `unavailable` where no variant has any weight. */
export function variantByWeight({ name, variants }: Routing, random: Random): VariantPool {
  const chosen = pickByWeight(variants, random);
  if (chosen === undefined) {
    throw new PlatformError('unavailable', `endpoint ${name} gives no variant any traffic: set a weight above 0, or name a version`);
  }
  return chosen.pool;
}

/** Throws `not_found` for a version that is not served. */
export function variantByVersion({ name, variants }: Routing, version: string): VariantPool {
  const chosen = variants.find(({ pool }) => pool.version === version);
  if (chosen === undefined) {
    const known = variants.map(({ pool }) => pool.version).join(', ');
    throw new PlatformError('not_found', `endpoint ${name} does not serve version '${version}'; it serves: ${known}`);
  }
  return chosen.pool;
}

/** The variant of that name, whatever its weight. Throws `not_found` for one that is not there. */
export function variantByName({ name, variants }: Routing, variant: string, random: Random): VariantPool {
  const ofName = variants.filter(({ pool }) => pool.variant.toLowerCase() === variant.toLowerCase());
  // While an update takes over step by step there are two of a name.
  const chosen = pickByWeight(ofName, random) ?? ofName[0];
  if (chosen !== undefined) return chosen.pool;
  const known = variants.map(({ pool }) => pool.variant).join(', ');
  throw new PlatformError('not_found', `endpoint ${name} has no variant '${variant}'; it has: ${known}`);
}

/** Throws `unavailable` where the endpoint is unloaded. */
export function takesRequests(routing: Routing, pool: VariantPool): VariantPool {
  if (!routing.isSuspended) return pool;
  const cure = `\`penstock load ${routing.name}\`, or POST /v2/repository/models/${routing.name}/load, serves it again`;
  throw new PlatformError('unavailable', `endpoint ${routing.name} is unloaded: ${cure}`, { retryAfterMs: 1000 });
}

export interface Weighted {
  readonly weight: number;
}

/** One of the choices, each with the probability of its share of the weights; undefined where all weights are 0. */
export function pickByWeight<Choice extends Weighted>(choices: readonly Choice[], random: Random): Choice | undefined {
  if (choices.length === 1) return choices[0];
  const total = choices.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) return undefined;
  let left = random.next() * total;
  for (const choice of choices) {
    left -= choice.weight;
    if (left < 0) return choice;
  }
  // Rounding may leave a trace of the total: it belongs to the last that has any weight.
  return choices.findLast(({ weight }) => weight > 0);
}
