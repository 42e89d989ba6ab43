/** Validates and applies UpdateModelPackage. Pure. */
import type { Approval } from '../../../registry/index.ts';
import { AwsError, type AwsInput } from '../../service.ts';
import type { Container } from './model-data.ts';
import { customerMetadata, inferenceSpecification } from './package-description.ts';
import type { PackageRecord } from './package-records.ts';

type Metadata = Readonly<Record<string, string>>;

/** What an UpdateModelPackage changes, after validation. */
export interface PackageUpdate {
  readonly approval?: Approval;
  readonly note?: string;
  /** Set if the package gets its model by this update. */
  readonly specification?: unknown;
  /** undefined if the metadata stays unchanged. */
  readonly metadata: ((before: Metadata) => Metadata) | undefined;
}

/** AWS's limit. */
const metadataMax = 50;

/** Throws `ValidationException`. */
export function checkUpdate(record: PackageRecord, input: AwsInput, arn: string): PackageUpdate {
  const { registered } = record;
  const { ModelApprovalStatus: approval, ApprovalDescription: note } = input as {
    ModelApprovalStatus?: Approval;
    ApprovalDescription?: string;
  };
  const specification = specificationOf(input);
  if ((approval !== undefined || note !== undefined) && registered === null && specification === undefined) {
    throw validationError(`ModelPackage ${arn} ${whyNoModel(record)} and cannot be approved or rejected.`);
  }
  if (specification !== undefined) checkSpecification(record, specification, arn);
  const metadata = metadataChange(input);
  metadata?.(customerMetadata(record) ?? {}); // throws before anything is changed
  return {
    ...(approval === undefined ? {} : { approval }),
    ...(note === undefined ? {} : { note }),
    ...(specification === undefined || registered !== null ? {} : { specification }),
    metadata,
  };
}

/** Why a package has no version: to follow the name of the package. */
export function whyNoModel({ document }: Pick<PackageRecord, 'document'>): string {
  if (document?.failure !== undefined) return `is Failed (${document.failure})`;
  return 'has no model: add one with UpdateModelPackage and an InferenceSpecification first';
}

interface Specification {
  readonly Containers?: readonly Container[];
}

function specificationOf({ InferenceSpecification }: AwsInput): Specification | undefined {
  return InferenceSpecification as Specification | undefined;
}

/** A model cannot be replaced, because it was approved. Other members of the specification can. */
function checkSpecification(record: PackageRecord, next: Specification, arn: string): void {
  const { document, registered } = record;
  if (document?.failure !== undefined) throw validationError(`ModelPackage ${arn} ${whyNoModel(record)}. Create another version.`);
  if (registered === null) return;
  const identity = ({ Image, ModelDataUrl, ModelDataSource, Environment = {} }: Container) =>
    JSON.stringify([Image, ModelDataUrl, ModelDataSource, Object.entries(Environment).sort(([a], [b]) => (a < b ? -1 : 1))]);
  const before = specificationOf({ InferenceSpecification: inferenceSpecification(record) })?.Containers ?? [];
  const after = next.Containers ?? [];
  if (before.length === after.length && before.every((container, index) => identity(container) === identity(after[index] as Container)))
    return;
  throw validationError(`ModelPackage ${arn} already has a model. Create another version for another Image, ModelDataUrl or Environment.`);
}

function metadataChange(input: AwsInput): PackageUpdate['metadata'] {
  const { CustomerMetadataProperties: added, CustomerMetadataPropertiesToRemove: removed = [] } = input as {
    CustomerMetadataProperties?: Metadata;
    CustomerMetadataPropertiesToRemove?: readonly string[];
  };
  if (added === undefined && removed.length === 0) return undefined;
  return (before) => {
    const retained = Object.fromEntries(Object.entries({ ...before, ...added }).filter(([key]) => !removed.includes(key)));
    const count = Object.keys(retained).length;
    if (count > metadataMax) throw validationError(`A model package has at most ${metadataMax} CustomerMetadataProperties, got ${count}.`);
    return retained;
  };
}

/** The stored members after the update, without those that the registry stores. */
export function updatedMembers(before: AwsInput, input: AwsInput, metadata: Metadata | undefined): AwsInput {
  const {
    ModelPackageArn: _arn,
    ClientToken: _token,
    ModelApprovalStatus: _approval,
    ApprovalDescription: _note,
    CustomerMetadataProperties: _added,
    CustomerMetadataPropertiesToRemove: _removed,
    AdditionalInferenceSpecificationsToAdd: more = [],
    ...changed
  } = input;
  const additional = [...((before['AdditionalInferenceSpecifications'] as unknown[] | undefined) ?? []), ...(more as unknown[])];
  return {
    ...before,
    ...changed,
    ...(additional.length === 0 ? {} : { AdditionalInferenceSpecifications: additional }),
    ...(metadata === undefined ? {} : { CustomerMetadataProperties: metadata }),
  };
}

function validationError(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
