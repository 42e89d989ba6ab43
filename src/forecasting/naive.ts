/** The two forecasts that learn nothing, against which the others are measured. */
import type { ForecasterShape, PointModel } from './tracked-forecaster.ts';

const stateless = { train: () => undefined, snapshot: () => null, restore: () => undefined } as const;

/** Persistence: forecasts the last count, m = y_t². */
export function persistenceModel(): PointModel {
  return { ...stateless, rootAhead: (history) => history.lastRoot };
}

/** Seasonal naive: forecasts the count of the same time a day ago, m = y[t+h-S]², or the last count if that one is unknown. */
export function seasonalNaiveModel({ horizons, slotsPerDay, isSeasonal }: ForecasterShape): PointModel {
  return {
    ...stateless,
    rootAhead: (history, i) => (isSeasonal ? history.rootAt(history.slot + (horizons[i] as number) - slotsPerDay) : Number.NaN),
  };
}
