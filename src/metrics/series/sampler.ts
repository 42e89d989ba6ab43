/** Samples values that are not counted as they change: executors, queue lengths, memory use. */
import type { Clock } from '../../clock.ts';
import { Measure } from './measured.ts';
import type { MetricKey, MetricName } from './metric-group.ts';
import type { MetricStore } from './metric-store.ts';

/** One sample. It is stored as a single value of its second. */
export interface SampledValue {
  readonly metricKey: MetricKey;
  readonly metric: MetricName;
  readonly value: number;
}

/** What is sampled, and where it goes. */
export interface SamplerOptions {
  readonly store: Pick<MetricStore, 'put'>;
  readonly clock: Clock;
  readonly sample: () => readonly SampledValue[];
  readonly onFailure: (error: unknown) => void;
}

const everyMs = 10_000;

/** Samples every ten seconds, aligned to the clock. Returns a function that stops it. */
export function startSampler({ store, clock, sample, onFailure }: SamplerOptions): () => void {
  let cancel = (): void => {};
  const later = (): void => {
    cancel = clock.after(everyMs - (clock.wallMs() % everyMs), () => {
      try {
        for (const { metricKey, metric, value } of sample()) {
          const measure = new Measure();
          measure.add(value);
          store.put(metricKey, metric, clock.wallMs(), measure);
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
