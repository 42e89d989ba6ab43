/** Creates forecasters by name. */
import { PlatformError } from '../errors.ts';
import type { Forecaster, ForecasterOptions } from './forecaster.ts';
import { HoltWintersModel } from './holt-winters.ts';
import { RlsArFeatures } from './rls-ar.ts';
import { RlsModel } from './rls-model.ts';
import { RlsWindowsFeatures } from './rls-windows.ts';
import {
  conditional,
  type ForecasterKind,
  type ForecasterShape,
  type PointModel,
  TrackedForecaster,
  unconditional,
} from './tracked-forecaster.ts';

/** `rls-windows` is the default of `economic`, `rls-ar` of other policies; the others are baselines to compare with. */
export type ForecasterName = 'rls-ar' | 'rls-windows' | 'persistence' | 'seasonal-naive' | 'holt-winters';

const kinds: Readonly<Record<ForecasterName, ForecasterKind>> = {
  'rls-ar': { newModel: (shape) => new RlsModel(shape, new RlsArFeatures(shape)), quantiles: unconditional },
  'rls-windows': { newModel: (shape) => new RlsModel(shape, new RlsWindowsFeatures(shape)), quantiles: conditional },
  persistence: { newModel: persistenceModel, quantiles: unconditional },
  'seasonal-naive': { newModel: seasonalNaiveModel, quantiles: unconditional },
  'holt-winters': { newModel: (shape) => new HoltWintersModel(shape), quantiles: unconditional },
};

/** Names of all forecasters. The first is the default: it is the most accurate on all tested loads. */
export const forecasterNames = Object.keys(kinds) as readonly ForecasterName[];

/** Creates a forecaster without observations. Throws `invalid_request` for an unknown name or invalid options. */
export function createForecaster(name: string, options: ForecasterOptions): Forecaster {
  const known = forecasterNames.find((other) => other === name);
  if (known === undefined) {
    throw new PlatformError('invalid_request', `unknown forecaster ${JSON.stringify(name)}: expected one of ${forecasterNames.join(', ')}`);
  }
  return new TrackedForecaster(known, options, kinds[known]);
}

const stateless = { train: () => undefined, snapshot: () => null, restore: () => undefined } as const;

/** Persistence: forecasts the last count, m = y_t². */
function persistenceModel(): PointModel {
  return { ...stateless, rootAhead: (history) => history.lastRoot };
}

/** Seasonal naive: forecasts the count of the same time a day ago, m = y[t+h-S]², or the last count if that one is unknown. */
function seasonalNaiveModel({ horizons, slotsPerDay, isSeasonal }: ForecasterShape): PointModel {
  return {
    ...stateless,
    rootAhead: (history, i) => (isSeasonal ? history.rootAt(history.slot + (horizons[i] as number) - slotsPerDay) : Number.NaN),
  };
}
