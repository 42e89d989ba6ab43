/** Seasonal naive: what comes is what came at the same time a day ago, m = y[t+h-S]²; the last count while there is none. */
import type { ForecasterShape, PointModel } from './tracked-forecaster.ts';

export function seasonalNaiveModel({ horizons, slotsPerDay, isSeasonal }: ForecasterShape): PointModel {
  return {
    learn: () => undefined,
    rootAhead: (history, i) => (isSeasonal ? history.rootAt(history.slot + (horizons[i] as number) - slotsPerDay) : Number.NaN),
    snapshot: () => null,
    restore: () => undefined,
  };
}
