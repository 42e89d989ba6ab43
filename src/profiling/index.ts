export { type BatchChoice, batchSizeFor } from './capacity.ts';
export { type FunctionCost, functionCost } from './function-cost.ts';
export { type FunctionProfile, FunctionProfiles, type FunctionProfilesOptions, type ProfileBasis } from './function-profiles.ts';
export { functionExecutor, functionSizes } from './function-sizes.ts';
export { type MeasureOptions, measure } from './measure.ts';
export type { Profile, ServicePoint } from './profile.ts';
export { type MeasuredProfile, Profiles, type ProfilesOptions } from './profiles.ts';
export { ServiceTable } from './service-table.ts';
export { ServiceTables } from './service-tables.ts';
