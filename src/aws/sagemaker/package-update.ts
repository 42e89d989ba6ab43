/** What UpdateModelPackage may change of a package, and what becomes of its members. Pure. */
import type { Approval } from '../../registry/index.ts';
import { AwsError, type AwsInput } from '../service.ts';
import { customerMetadata } from './package-description.ts';
import type { PackageRecord } from './package-records.ts';

type Words = Readonly<Record<string, string>>;

export interface PackageUpdate {
  readonly approval?: Approval;
  readonly note?: string;
  /** undefined: it stays. */
  readonly metadata: ((before: Words) => Words) | undefined;
}

const metadataMax = 50;

/** Throws `ValidationException`. */
export function checkUpdate(record: PackageRecord, input: AwsInput, arn: string): PackageUpdate {
  const { registered, document } = record;
  const { ModelApprovalStatus: approval, ApprovalDescription: note } = input as {
    ModelApprovalStatus?: Approval;
    ApprovalDescription?: string;
  };
  const isApprovalGiven = approval !== undefined || note !== undefined;
  if (isApprovalGiven && registered === null) {
    throw refused(`ModelPackage ${arn} is Failed and can be neither approved nor rejected: ${document?.failure ?? 'it has no model'}`);
  }
  if (approval === 'PendingManualApproval' && registered?.approval !== approval) {
    throw refused(`ModelPackage ${arn} is ${registered?.approval} and cannot go back to ${approval}: approve or reject it instead.`);
  }
  if (input['InferenceSpecification'] !== undefined) {
    throw refused(`ModelPackage ${arn} has its model already: make another version for another InferenceSpecification.`);
  }
  const metadata = metadataChange(input);
  metadata?.(customerMetadata(record) ?? {}); // refused before anything is changed
  return { ...(approval === undefined ? {} : { approval }), ...(note === undefined ? {} : { note }), metadata };
}

function metadataChange(input: AwsInput): PackageUpdate['metadata'] {
  const { CustomerMetadataProperties: added, CustomerMetadataPropertiesToRemove: removed = [] } = input as {
    CustomerMetadataProperties?: Words;
    CustomerMetadataPropertiesToRemove?: readonly string[];
  };
  if (added === undefined && removed.length === 0) return undefined;
  return (before) => {
    const kept = Object.fromEntries(Object.entries({ ...before, ...added }).filter(([key]) => !removed.includes(key)));
    const count = Object.keys(kept).length;
    if (count > metadataMax)
      throw refused(`A model package has at most ${metadataMax} CustomerMetadataProperties: these would be ${count}.`);
    return kept;
  };
}

/** The members as they are shown from now on; the registry's own are left to it. */
export function updatedMembers(before: AwsInput, input: AwsInput, metadata: Words | undefined): AwsInput {
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

function refused(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
