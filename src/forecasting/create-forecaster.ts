/** The forecasters there are. */
import { PlatformError } from '../errors.ts';
import type { Forecaster, ForecasterOptions } from './forecaster.ts';
import { HoltWintersModel } from './holt-winters.ts';
import { persistenceModel } from './persistence.ts';
import { RlsArModel } from './rls-ar.ts';
import { seasonalNaiveModel } from './seasonal-naive.ts';
import { type ForecasterShape, type PointModel, TrackedForecaster } from './tracked-forecaster.ts';

export type ForecasterName = 'rls-ar' | 'persistence' | 'seasonal-naive' | 'holt-winters';

const models: Readonly<Record<ForecasterName, (shape: ForecasterShape) => PointModel>> = {
  'rls-ar': (shape) => new RlsArModel(shape),
  persistence: persistenceModel,
  'seasonal-naive': seasonalNaiveModel,
  'holt-winters': (shape) => new HoltWintersModel(shape),
};

/** The first is the best of them on all loads that we have, and the default. */
export const forecasterNames = Object.keys(models) as readonly ForecasterName[];

/** A forecaster that has observed nothing. Throws `invalid_request` for a name that is none of `forecasterNames`, and for options that make no sense. */
export function createForecaster(name: string, options: ForecasterOptions): Forecaster {
  const known = forecasterNames.find((other) => other === name);
  if (known === undefined) {
    throw new PlatformError('invalid_request', `unknown forecaster ${JSON.stringify(name)}: known are ${forecasterNames.join(', ')}`);
  }
  return new TrackedForecaster(known, options, models[known]);
}
