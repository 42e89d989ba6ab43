export { createForecaster, type ForecasterName, forecasterNames } from './create-forecaster.ts';
export {
  type Forecast,
  type ForecastBasis,
  type Forecaster,
  type ForecasterOptions,
  type ForecasterSnapshot,
  quantileGrid,
} from './forecaster.ts';
