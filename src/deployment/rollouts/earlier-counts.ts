/** Request counts of an endpoint before an update, read once per update instead of every second. */
import { nameKey } from '../../names.ts';
import type { EndpointConfig } from '../config/endpoint-config.ts';
import type { StoredEndpoint } from '../endpoint-rows.ts';
import type { Rollout } from './rollout.ts';
import { type VersionCounts, zeroCounts } from './version-counts.ts';

/**
 * Request counts of all variants of a config in a span (epoch milliseconds), from stored metrics. Excludes a deleted endpoint
 * of the same name.
 */
export type CountedBefore = (
  config: EndpointConfig,
  span: { readonly createdAtMs: number; readonly untilMs: number },
) => Promise<VersionCounts>;

/** The first question starts the read and gets null, so no judgement waits for the database. */
export class EarlierCounts {
  #read: CountedBefore = () => Promise.resolve(zeroCounts);
  /** By lower-case name of the endpoint; counts are null while they are being read. */
  readonly #known = new Map<string, { readonly generation: number; counts: VersionCounts | null }>();

  readBy(read: CountedBefore): void {
    this.#read = read;
  }

  /** Null while the counts are read. A read error counts as no requests. */
  of(
    { config, generation, createdAtMs }: Pick<StoredEndpoint, 'config' | 'generation' | 'createdAtMs'>,
    { before, startedAtMs }: Rollout,
  ): VersionCounts | null {
    const key = nameKey(config.name);
    const known = this.#known.get(key);
    if (known?.generation === generation) return known.counts;
    const entry: { readonly generation: number; counts: VersionCounts | null } = { generation, counts: null };
    this.#known.set(key, entry);
    void this.#read(before, { createdAtMs, untilMs: startedAtMs })
      .catch(() => zeroCounts)
      .then((counts) => {
        entry.counts = counts;
      });
    return null;
  }

  discard(endpoint: string): void {
    this.#known.delete(nameKey(endpoint));
  }
}
