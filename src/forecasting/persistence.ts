/** Persistence: forecasts the last count, m = y_t². */
import type { PointModel } from './tracked-forecaster.ts';

export function persistenceModel(): PointModel {
  return { train: () => undefined, rootAhead: (history) => history.lastRoot, snapshot: () => null, restore: () => undefined };
}
