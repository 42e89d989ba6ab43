/** Converts between AWS's transform jobs and Penstock's. Pure. */
import { payloadMiBLimit, type TransformLocation, type TransformSpec, transformDefaults } from '../../async-inference/index.ts';
import type { PriceTable } from '../../costs/index.ts';
import { AwsError, type AwsInput } from '../service.ts';
import { nearestInstanceType } from './endpoints/instance-sizes.ts';

/** The members of CreateTransformJob that have an effect. */
export interface TransformJobMembers {
  readonly TransformJobName: string;
  readonly ModelName: string;
  readonly MaxConcurrentTransforms?: number;
  readonly ModelClientConfig?: { readonly InvocationsTimeoutInSeconds?: number; readonly InvocationsMaxRetries?: number };
  readonly MaxPayloadInMB?: number;
  readonly BatchStrategy?: 'MultiRecord' | 'SingleRecord';
  readonly Environment?: Readonly<Record<string, string>>;
  readonly TransformInput: {
    readonly DataSource: { readonly S3DataSource: { readonly S3DataType: string; readonly S3Uri: string } };
    readonly ContentType?: string;
    readonly CompressionType?: 'None' | 'Gzip';
    readonly SplitType?: 'None' | 'Line' | 'RecordIO' | 'TFRecord';
  };
  readonly TransformOutput: {
    readonly S3OutputPath: string;
    readonly Accept?: string;
    readonly AssembleWith?: 'None' | 'Line';
  };
  readonly TransformResources: { readonly InstanceType: string; readonly InstanceCount: number };
  readonly DataProcessing?: { readonly InputFilter?: string; readonly OutputFilter?: string; readonly JoinSource?: 'Input' | 'None' };
}

/** AWS's default. 0 in the call means the limit. */
const payloadMiBDefault = 6;

/** Throws `ValidationException` for unsupported members and for invalid combinations. */
export function transformSpecOf(
  input: AwsInput,
  model: { readonly group: string; readonly version: number },
  prices: PriceTable,
): TransformSpec {
  const members = input as unknown as TransformJobMembers;
  const { TransformInput, TransformOutput, TransformResources, ModelClientConfig = {}, DataProcessing = {}, BatchStrategy } = members;
  const { SplitType = 'None', CompressionType = 'None', ContentType } = TransformInput;
  if (input['DataCaptureConfig'] !== undefined) throw validationError('DataCaptureConfig is not supported for transform jobs. Remove it.');
  if (SplitType === 'RecordIO' || SplitType === 'TFRecord') {
    throw validationError(`SplitType ${SplitType} is not supported: expected Line or None`);
  }
  const { MaxPayloadInMB: payload = payloadMiBDefault, MaxConcurrentTransforms: concurrency = 0 } = members;
  const payloadMiB = payload === 0 ? payloadMiBLimit : payload;
  if (payloadMiB > payloadMiBLimit || Math.max(concurrency, 1) * payload > payloadMiBLimit) {
    throw validationError(`MaxConcurrentTransforms x MaxPayloadInMB must not exceed ${payloadMiBLimit} MB`);
  }
  if (BatchStrategy === 'SingleRecord' && SplitType === 'None') throw validationError('BatchStrategy SingleRecord requires SplitType Line');
  return {
    ...transformDefaults,
    name: members.TransformJobName,
    ...model,
    input: sourceOf(TransformInput.DataSource.S3DataSource),
    output: parseTransformUri(TransformOutput.S3OutputPath, 'S3OutputPath'),
    contentType: ContentType ?? null,
    accept: TransformOutput.Accept ?? null,
    isGzip: CompressionType === 'Gzip',
    split: SplitType === 'Line' ? 'line' : 'none',
    batch: BatchStrategy === 'SingleRecord' ? 'single' : 'multi',
    assemble: TransformOutput.AssembleWith === 'Line' ? 'line' : 'none',
    payloadBytesMax: payloadMiB * 2 ** 20,
    instances: TransformResources.InstanceCount,
    instanceType: nearestInstanceType(TransformResources.InstanceType, prices),
    concurrency: concurrency === 0 ? null : concurrency,
    inputFilter: DataProcessing.InputFilter ?? '$',
    outputFilter: DataProcessing.OutputFilter ?? '$',
    joins: DataProcessing.JoinSource === 'Input',
    // 600 s and 3 retries are AWS's defaults.
    timeoutMs: (ModelClientConfig.InvocationsTimeoutInSeconds ?? 600) * 1000,
    retries: ModelClientConfig.InvocationsMaxRetries ?? 3,
    environment: members.Environment ?? {},
  };
}

function sourceOf({ S3DataType, S3Uri }: { readonly S3DataType: string; readonly S3Uri: string }): TransformLocation {
  if (S3DataType === 'AugmentedManifestFile')
    throw validationError('S3DataType AugmentedManifestFile is not supported: expected S3Prefix or ManifestFile');
  const location = parseTransformUri(S3Uri, 'S3Uri');
  return S3DataType === 'ManifestFile' ? { ...location, isManifest: true } : location;
}

function parseTransformUri(uri: string, member: string): Extract<TransformLocation, { kind: 's3' }> {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(uri) ?? [];
  if (bucket === undefined) throw validationError(`${member} '${uri.slice(0, 200)}' is invalid: expected s3://bucket/prefix`);
  return { kind: 's3', bucket, prefix };
}

/** The members of a job that another API created. */
export function transformMembersOf(spec: TransformSpec): AwsInput {
  const { concurrency, batch, payloadBytesMax, contentType, accept, assemble, split, isGzip, joins } = spec;
  return {
    ...(concurrency === null ? {} : { MaxConcurrentTransforms: concurrency }),
    MaxPayloadInMB: Math.ceil(payloadBytesMax / 2 ** 20),
    BatchStrategy: batch === 'multi' ? 'MultiRecord' : 'SingleRecord',
    TransformInput: {
      DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: uriOf(spec.input) } },
      ...(contentType === null ? {} : { ContentType: contentType }),
      CompressionType: isGzip === true ? 'Gzip' : 'None',
      SplitType: split === 'none' ? 'None' : 'Line',
    },
    TransformOutput: {
      S3OutputPath: uriOf(spec.output),
      ...(accept === null ? {} : { Accept: accept }),
      AssembleWith: assemble === 'line' ? 'Line' : 'None',
    },
    TransformResources: { InstanceType: spec.instanceType, InstanceCount: spec.instances },
    DataProcessing: { InputFilter: spec.inputFilter, OutputFilter: spec.outputFilter, JoinSource: joins ? 'Input' : 'None' },
  };
}

function uriOf(location: TransformLocation): string {
  return location.kind === 'file' ? `file://${location.path}` : `s3://${location.bucket}/${location.prefix}`;
}

function validationError(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
