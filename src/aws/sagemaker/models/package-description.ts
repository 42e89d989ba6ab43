/** Model packages in the format of AWS's responses. Pure. */
import { type ModelVersion, payloadKind } from '../../../registry/index.ts';
import type { AwsInput, AwsLocation, AwsOutput } from '../../service.ts';
import { arnOf } from '../arn.ts';
import { nativeUri } from './artifact.ts';
import type { Container } from './model-data.ts';
import type { PackageRecord } from './package-records.ts';

/** The user context of an access key. */
export function userContext({ account }: AwsLocation, keyId: string): AwsOutput {
  return { IamIdentity: { Arn: `arn:aws:iam::${account}:user/${keyId}`, PrincipalId: keyId } };
}

export function packageArn(awsLocation: AwsLocation, { name, version }: Pick<PackageRecord, 'name' | 'version'>): string {
  return arnOf(awsLocation, 'model-package', name, version);
}

/** The members of DescribeModelPackage: those of the call, overridden by the registry's current values. */
export function describePackage(record: PackageRecord, awsLocation: AwsLocation): AwsOutput {
  const { document, registered } = record;
  const { members = {}, createdBy = registered?.createdBy } = document ?? {};
  // The current values of these two are in the registry.
  const { ModelPackageDescription: _description, CustomerMetadataProperties: _metadata, ...others } = members;
  return {
    ...others,
    ...summarizePackage(record, awsLocation),
    ModelPackageName: record.name,
    InferenceSpecification: inferenceSpecification(record),
    ModelPackageStatusDetails: {
      ValidationStatuses: validationStatuses(record),
      ImageScanStatuses: [],
    },
    ...(createdBy === undefined ? {} : { CreatedBy: userContext(awsLocation, createdBy) }),
    ...lastModified(record, awsLocation),
    ...definedMembers({ ApprovalDescription: registered?.approvalNote, CustomerMetadataProperties: customerMetadata(record) }),
  };
}

/** A Python model is opened at its approval, which takes seconds: meanwhile the package is `InProgress`. */
function statusOf({ document, registered }: Pick<PackageRecord, 'document' | 'registered'>): {
  readonly status: 'Completed' | 'InProgress' | 'Failed';
  readonly reason: string | null;
} {
  if (document?.failure !== undefined) return { status: 'Failed', reason: document.failure };
  const { state, reason = null } = registered?.python ?? {};
  return { status: state === 'opening' ? 'InProgress' : state === 'failed' ? 'Failed' : 'Completed', reason };
}

function validationStatuses(record: PackageRecord): AwsOutput[] {
  const { status, reason } = statusOf(record);
  if (status === 'Failed') return [{ Name: 'ModelFile', Status: status, FailureReason: reason ?? '' }];
  return record.registered === null ? [] : [{ Name: 'ModelFile', Status: status }];
}

/** For lists: a package in a group has group and version instead of a name. */
export function summarizePackage({ name, version, document, registered, createdAtMs }: PackageRecord, awsLocation: AwsLocation): AwsOutput {
  const { members = {} } = document ?? {};
  const { ModelLifeCycle, ModelPackageRegistrationType, ModelPackageDescription } = members;
  const description = registered?.description ?? ModelPackageDescription;
  return {
    ...(version === null ? { ModelPackageName: name } : { ModelPackageGroupName: name, ModelPackageVersion: version }),
    ModelPackageArn: arnOf(awsLocation, 'model-package', name, version),
    ...definedMembers({
      ModelPackageDescription: description === '' ? undefined : description,
      ModelLifeCycle,
      ModelPackageRegistrationType,
    }),
    CreationTime: new Date(createdAtMs),
    ModelPackageStatus: statusOf({ document, registered }).status,
    ModelApprovalStatus: registered?.approval ?? 'PendingManualApproval',
  };
}

/** The container of a version, whichever API registered it. */
export function derivedContainer(version: ModelVersion): Container & { readonly ImageDigest: string } {
  return { Image: imageOf(version), ImageDigest: digestOf(version), ModelDataUrl: nativeUri(version) };
}

/** The image of a version without its digest; `penstock/onnx` or `penstock/python` for the built-in workers. */
export function imageOf({ runtime }: ModelVersion): string {
  return runtime.kind === 'process' ? runtime.image : `penstock/${runtime.kind}`;
}

/** The digest of the artifact, as the image digest. */
export function digestOf({ artifact }: ModelVersion): string {
  return `sha256:${artifact.sha256}`;
}

/** As specified, with the artifact's digest; derived if another API registered the version. */
export function inferenceSpecification({ document, registered }: PackageRecord): AwsOutput | undefined {
  const input = document?.members['InferenceSpecification'] as (AwsInput & { Containers: readonly Container[] }) | undefined;
  if (registered === null) return input;
  if (input === undefined) {
    const types = payloadKind(registered.runtime) === 'tensors' ? ['application/json', 'text/csv', 'application/x-npy'] : [];
    return { Containers: [derivedContainer(registered)], SupportedContentTypes: types, SupportedResponseMIMETypes: types };
  }
  return { ...input, Containers: input.Containers.map((container) => ({ ImageDigest: digestOf(registered), ...container })) };
}

/** The registry's metadata; for a failed package, the members of the call. */
export function customerMetadata({ document, registered }: PackageRecord): Readonly<Record<string, string>> | undefined {
  const metadata = registered?.metadata ?? (document?.members['CustomerMetadataProperties'] as Record<string, string> | undefined) ?? {};
  return Object.keys(metadata).length === 0 ? undefined : metadata;
}

/** The later of the last AWS update and the last change of approval through any API. */
function lastModified({ document, registered }: PackageRecord, awsLocation: AwsLocation): AwsOutput {
  const { approvalChangedAtMs: atMs = null, approvalChangedBy: by = null } = registered ?? {};
  const modified = document?.modified;
  const approved = atMs === null || by === null ? undefined : { atMs, by };
  const latest =
    modified !== undefined && approved !== undefined ? (approved.atMs > modified.atMs ? approved : modified) : (modified ?? approved);
  return latest === undefined ? {} : { LastModifiedTime: new Date(latest.atMs), LastModifiedBy: userContext(awsLocation, latest.by) };
}

/** Drops null and undefined members, which the wire format must not contain. */
export function definedMembers(members: AwsOutput): AwsOutput {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null));
}
