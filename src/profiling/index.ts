export { type BatchChoice, batchSizeFor } from './capacity.ts';
export { type MeasureOptions, measure } from './measure.ts';
export type { Profile, ServicePoint } from './profile.ts';
export { type MeasuredProfile, Profiles, type ProfilesOptions } from './profiles.ts';
export { ServiceTable } from './service-table.ts';
export { ServiceTables } from './service-tables.ts';
