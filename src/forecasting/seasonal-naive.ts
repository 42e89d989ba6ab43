/** Seasonal naive: forecasts the count of the same time a day ago, m = y[t+h-S]², or the last count if that one is unknown. */
import type { ForecasterShape, PointModel } from './tracked-forecaster.ts';

export function seasonalNaiveModel({ horizons, slotsPerDay, isSeasonal }: ForecasterShape): PointModel {
  return {
    train: () => undefined,
    rootAhead: (history, i) => (isSeasonal ? history.rootAt(history.slot + (horizons[i] as number) - slotsPerDay) : Number.NaN),
    snapshot: () => null,
    restore: () => undefined,
  };
}
