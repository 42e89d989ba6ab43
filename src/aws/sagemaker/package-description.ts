/** Groups and packages as AWS's answers show them. Pure. */
import type { ModelVersion } from '../../registry/index.ts';
import type { AwsInput, AwsOutput, AwsPlace } from '../service.ts';
import { arnOf } from './arn.ts';
import { nativeUri } from './artifact.ts';
import type { Container } from './model-data.ts';
import type { PackageRecord } from './package-records.ts';

/** Of a key by its id. */
export function userContext({ account }: AwsPlace, keyId: string): AwsOutput {
  return { IamIdentity: { Arn: `arn:aws:iam::${account}:user/${keyId}`, PrincipalId: keyId } };
}

export function packageArn(place: AwsPlace, { name, version }: Pick<PackageRecord, 'name' | 'version'>): string {
  return arnOf(place, 'model-package', name, version);
}

export function describePackage(record: PackageRecord, place: AwsPlace): AwsOutput {
  const { document, registered } = record;
  const { members = {}, createdBy = registered?.createdBy, failure } = document ?? {};
  // What the registry has may have been changed by another door since.
  const { ModelPackageDescription: _description, CustomerMetadataProperties: _metadata, ...others } = members;
  return {
    ...others,
    ...summarizePackage(record, place),
    ModelPackageName: record.name,
    InferenceSpecification: inferenceSpecification(record),
    ModelPackageStatusDetails: {
      ValidationStatuses:
        failure === undefined
          ? registered === null
            ? []
            : [{ Name: 'ModelFile', Status: 'Completed' }]
          : [{ Name: 'ModelFile', Status: 'Failed', FailureReason: failure }],
      ImageScanStatuses: [],
    },
    ...(createdBy === undefined ? {} : { CreatedBy: userContext(place, createdBy) }),
    ...lastModified(record, place),
    ...given({ ApprovalDescription: registered?.approvalNote, CustomerMetadataProperties: customerMetadata(record) }),
  };
}

/** Of a list: with its name where it has no group. */
export function summarizePackage({ name, version, document, registered, createdAtMs }: PackageRecord, place: AwsPlace): AwsOutput {
  const { members = {}, failure } = document ?? {};
  const { ModelLifeCycle, ModelPackageRegistrationType, ModelPackageDescription } = members;
  const description = registered?.description ?? ModelPackageDescription;
  return {
    ...(version === null ? { ModelPackageName: name } : { ModelPackageGroupName: name, ModelPackageVersion: version }),
    ModelPackageArn: arnOf(place, 'model-package', name, version),
    ...given({ ModelPackageDescription: description === '' ? undefined : description, ModelLifeCycle, ModelPackageRegistrationType }),
    CreationTime: new Date(createdAtMs),
    ModelPackageStatus: failure === undefined ? 'Completed' : 'Failed',
    ModelApprovalStatus: registered?.approval ?? 'PendingManualApproval',
  };
}

/** The container that stands for a version, whoever registered it. */
export function derivedContainer(version: ModelVersion): Container & { readonly ImageDigest: string } {
  return { Image: imageOf(version), ImageDigest: digestOf(version), ModelDataUrl: nativeUri(version) };
}

export function imageOf({ runtime }: ModelVersion): string {
  return runtime.kind === 'onnx' ? 'penstock/onnx' : runtime.image;
}

/** Of what is served. */
export function digestOf({ artifact }: ModelVersion): string {
  return `sha256:${artifact.sha256}`;
}

/** As it was given, with the digest of what is served; derived where the package came by another door. */
export function inferenceSpecification({ document, registered }: PackageRecord): AwsOutput | undefined {
  const given = document?.members['InferenceSpecification'] as (AwsInput & { Containers: readonly Container[] }) | undefined;
  if (registered === null) return given;
  if (given === undefined) {
    const types = registered.runtime.kind === 'onnx' ? ['application/json', 'text/csv', 'application/x-npy'] : [];
    return { Containers: [derivedContainer(registered)], SupportedContentTypes: types, SupportedResponseMIMETypes: types };
  }
  return { ...given, Containers: given.Containers.map((container) => ({ ImageDigest: digestOf(registered), ...container })) };
}

/** The registry's metadata; of a package that it does not have, what was given. */
export function customerMetadata({ document, registered }: PackageRecord): Readonly<Record<string, string>> | undefined {
  const words = registered?.metadata ?? (document?.members['CustomerMetadataProperties'] as Record<string, string> | undefined) ?? {};
  return Object.keys(words).length === 0 ? undefined : words;
}

/** The latest of what AWS's clients changed and of a change of the approval by any door. */
function lastModified({ document, registered }: PackageRecord, place: AwsPlace): AwsOutput {
  const { approvalChangedAtMs: atMs = null, approvalChangedBy: by = null } = registered ?? {};
  const modified = document?.modified;
  const approved = atMs === null || by === null ? undefined : { atMs, by };
  const latest =
    modified !== undefined && approved !== undefined ? (approved.atMs > modified.atMs ? approved : modified) : (modified ?? approved);
  return latest === undefined ? {} : { LastModifiedTime: new Date(latest.atMs), LastModifiedBy: userContext(place, latest.by) };
}

/** The members that came: an absent one and one that is undefined are not the same on the wire. */
export function given(members: AwsOutput): AwsOutput {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null));
}
