/** Opens what records for good how much was asked for and what it cost. */
import type { Closers } from '../closers.ts';
import { CostHistory, type Ledger } from '../costs/index.ts';
import { messageOf } from '../errors.ts';
import { ArrivalHistory, type ArrivalHistoryOptions } from '../metrics/index.ts';
import type { Foundation } from './open-foundation.ts';

export interface HistoriesDeps extends Pick<Foundation, 'db' | 'metricsDb' | 'clock' | 'logs'> {
  readonly ledger: Ledger;
  readonly serving: Pick<ArrivalHistoryOptions, 'arrived'>;
}

/** Starts recording costs and arrivals. What cannot be written is retried. */
export function openHistories(
  { db, metricsDb, clock, ledger, serving, logs }: HistoriesDeps,
  closers: Closers,
): { readonly costs: CostHistory; readonly arrivals: ArrivalHistory } {
  const failed = (what: string) => (error: unknown) =>
    logs.platform.error({ error: messageOf(error) }, `failed to write ${what}, will retry`);
  const costs = new CostHistory({ db, clock, ledger, onFailure: failed('costs') });
  const arrivals = new ArrivalHistory({ db: metricsDb, clock, arrived: () => serving.arrived(), onFailure: failed('arrivals') });
  for (const history of [costs, arrivals]) closers.add(history).open();
  return { costs, arrivals };
}
