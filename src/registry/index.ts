export { type Approval, approvals, isApproval } from './approval.ts';
export { Catalogue, type CatalogueEntry } from './catalogue.ts';
export { checkEnvironment, type ImageEntry, type ImageRuntime, imageEntries, resolveImage } from './images.ts';
export { keyOf, type ModelGroup, type ModelRuntime, type ModelVersion, parseReference, type Reference } from './model-version.ts';
export type { RegistrationRequest } from './registration.ts';
export { type Page, type Registration, Registry, type RegistryOptions, type VersionChange } from './registry.ts';
