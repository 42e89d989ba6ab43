export { type Approval, approvals, isApproval } from './approval.ts';
export { Catalogue, type CatalogueEntry } from './catalogue.ts';
export { checkEnvironment, type ImageEntry, type ImageRuntime, imageEntries, resolveImage } from './images/images.ts';
export { resolveTrainingImage, type TrainingImage } from './images/training-images.ts';
export { modelArtifactOf } from './model-artifact.ts';
export {
  type ModelGroup,
  type ModelRuntime,
  type ModelVersion,
  type PayloadKind,
  parseReference,
  payloadKind,
  pythonOf,
  type Reference,
} from './model-version.ts';
export { type MultiModel, multiModelFile, multiModelOf, multiModelUri } from './multi-model.ts';
export type { OpenedModel, OpenModel } from './openings.ts';
export type { OpeningState, PythonModel } from './python-model.ts';
export type { ForeignCodeCheck, RegistrationRequest } from './registration.ts';
export { Registry } from './registry.ts';
export type { Registration, RegistryOptions, VersionChange, VersionPage } from './registry-options.ts';
export { storedSample } from './stored-sample.ts';
export { baseNameOf, type HeldModel, type HeldModelRequest } from './uploads/held-model.ts';
export type { ArtifactFile } from './uploads/manifest.ts';
export type { Recognise } from './uploads/python-upload.ts';
export { checkPath, isModelPath, UnusableArchive } from './uploads/upload.ts';
