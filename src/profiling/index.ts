export {
  type BatchChoice,
  batchSizeFor,
  type CapacityType,
  type FunctionCapacity,
  functionCapacityOf,
  platformOverheadMs,
  type ServiceCurve,
  type TypeCapacity,
  typeCapacityOf,
  usableCapacities,
} from './capacity.ts';
export { compositeProfile } from './composite-profile.ts';
export { type FunctionCost, functionCost } from './function-cost.ts';
export { type FunctionProfile, FunctionProfiles, type FunctionProfilesOptions, type ProfileBasis } from './function-profiles.ts';
export { functionExecutor, functionSizes } from './function-sizes.ts';
export { type MeasureOptions, measure } from './measure.ts';
export { busyText, type Profile, type ServicePoint } from './profile.ts';
export { type MeasuredProfile, Profiles, type ProfilesOptions } from './profiles.ts';
export { type AffineTimes, affineService, referenceProfile } from './reference-profile.ts';
export { ServiceTable } from './service-table.ts';
export { type ServedTimes, ServiceTables, type TimedPlan } from './service-tables.ts';
export { timer, timerOf } from './timer.ts';
