/** Prometheus metrics of the object stores: trash and scrub. */
import type { Metrics } from '../metrics/index.ts';
import type { Scrub } from '../storage/index.ts';
import type { Foundation } from './open-foundation.ts';

export function meterStorage(metrics: Metrics, { trash, scrub }: Pick<Foundation, 'trash'> & { readonly scrub: Scrub }): void {
  const one = (value: number) => [{ labels: {}, value }];
  metrics.counter(
    'penstock_trashed_objects_total',
    'Objects without a row in the database, moved to the trash by a sweep.',
    ['store'],
    () => Object.entries(trash.moved).map(([store, value]) => ({ labels: { store }, value })),
  );
  metrics.gauge('penstock_trash_objects', 'Objects in the trash.', [], () => one(trash.size.objects));
  metrics.gauge('penstock_trash_bytes', 'Size of the objects in the trash.', [], () => one(trash.size.bytes));
  metrics.counter('penstock_scrubbed_objects_total', 'Objects read again in the background.', [], () => one(scrub.counts.objects));
  metrics.counter('penstock_scrubbed_bytes_total', 'Bytes read again in the background.', [], () => one(scrub.counts.bytes));
  metrics.counter('penstock_damaged_objects_total', 'Objects whose content did not match their sha256.', [], () =>
    one(scrub.counts.damaged),
  );
  metrics.gauge('penstock_scrub_oldest_timestamp_seconds', 'When the objects that have waited longest were last read.', [], () =>
    one(scrub.oldestReadMs / 1000),
  );
}
