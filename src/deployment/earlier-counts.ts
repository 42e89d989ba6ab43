/** What an endpoint did before an update began, read once for each update: it is not to be asked for each second. */
import { keyOf } from '../registry/index.ts';
import type { EndpointConfig } from './endpoint-config.ts';
import type { StoredEndpoint } from './endpoint-rows.ts';
import type { Rollout } from './rollout.ts';
import { nothingCounted, type VersionCounts } from './version-counts.ts';

/**
 * What all variants of a config did together between these times (epoch milliseconds), by what is kept of their metrics; what one of its
 * name did before it was made is not its own.
 */
export type CountedBefore = (
  config: EndpointConfig,
  span: { readonly createdAtMs: number; readonly untilMs: number },
) => Promise<VersionCounts>;

export class EarlierCounts {
  #read: CountedBefore = () => Promise.resolve(nothingCounted);
  /** By lower-case name of the endpoint; null while it is read. */
  readonly #known = new Map<string, { readonly generation: number; counts: VersionCounts | null }>();

  readBy(read: CountedBefore): void {
    this.#read = read;
  }

  /** Null while it is read: then nothing can be said yet. What cannot be read is nothing. */
  of(
    { config, generation, createdAtMs }: Pick<StoredEndpoint, 'config' | 'generation' | 'createdAtMs'>,
    { before, startedAtMs }: Rollout,
  ): VersionCounts | null {
    const key = keyOf(config.name);
    const known = this.#known.get(key);
    if (known?.generation === generation) return known.counts;
    const entry: { readonly generation: number; counts: VersionCounts | null } = { generation, counts: null };
    this.#known.set(key, entry);
    void this.#read(before, { createdAtMs, untilMs: startedAtMs })
      .catch(() => nothingCounted)
      .then((counts) => {
        entry.counts = counts;
      });
    return null;
  }

  forget(endpoint: string): void {
    this.#known.delete(keyOf(endpoint));
  }
}
