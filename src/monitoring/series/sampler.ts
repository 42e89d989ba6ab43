/** Numbers that nobody counts as they change, but that can be looked at: how many executors there are, what waits, what memory is used. */
import type { Clock } from '../../clock.ts';
import { Measure } from './measured.ts';
import type { MetricName, MetricPlace } from './metric-group.ts';
import type { MetricStore } from './metric-store.ts';

export interface Looked {
  readonly place: MetricPlace;
  readonly metric: MetricName;
  readonly value: number;
}

export interface SamplerOptions {
  readonly store: Pick<MetricStore, 'put'>;
  readonly clock: Clock;
  readonly look: () => readonly Looked[];
  readonly onFailure: (error: unknown) => void;
}

const everyMs = 10_000;

/** Looks every ten seconds, on the second. The answer ends it. */
export function startSampler({ store, clock, look, onFailure }: SamplerOptions): () => void {
  let cancel = (): void => {};
  const later = (): void => {
    cancel = clock.after(everyMs - (clock.wallMs() % everyMs), () => {
      try {
        for (const { place, metric, value } of look()) {
          const measure = new Measure();
          measure.add(value);
          store.put(place, metric, clock.wallMs(), measure);
        }
      } catch (error) {
        onFailure(error);
      }
      later();
    });
  };
  later();
  return () => cancel();
}
