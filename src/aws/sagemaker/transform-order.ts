/** A transform job as AWS's clients order it, as one that runs here. Pure. */
import { payloadMiBLimit, type TransformOrder, type TransformPlace, transformDefaults } from '../../async-inference/index.ts';
import type { PriceTable } from '../../costs/index.ts';
import { AwsError, type AwsInput } from '../service.ts';
import { nearestInstanceType } from './instance-sizes.ts';

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

const payloadMiBDefault = 6;

/** Throws `ValidationException` for what is not done here, and for members that do not go together. */
export function transformOrderOf(
  input: AwsInput,
  model: { readonly group: string; readonly version: number },
  prices: PriceTable,
): TransformOrder {
  const members = input as unknown as TransformJobMembers;
  const { TransformInput, TransformOutput, TransformResources, ModelClientConfig = {}, DataProcessing = {}, BatchStrategy } = members;
  const { SplitType = 'None', CompressionType = 'None', ContentType } = TransformInput;
  if (input['DataCaptureConfig'] !== undefined)
    throw refused('DataCaptureConfig: what a transform job reads and writes is not captured here');
  if (SplitType === 'RecordIO' || SplitType === 'TFRecord') {
    throw refused(`SplitType ${SplitType} is not read here: models here take text and arrays, so split by Line or None`);
  }
  const { MaxPayloadInMB: payload = payloadMiBDefault, MaxConcurrentTransforms: concurrency = 0 } = members;
  const payloadMiB = payload === 0 ? payloadMiBLimit : payload;
  if (payloadMiB > payloadMiBLimit || Math.max(concurrency, 1) * payload > payloadMiBLimit) {
    throw refused(`MaxConcurrentTransforms x MaxPayloadInMB must not exceed ${payloadMiBLimit} MB`);
  }
  if (BatchStrategy === 'SingleRecord' && SplitType === 'None') throw refused('BatchStrategy SingleRecord needs a SplitType of Line');
  return {
    ...transformDefaults,
    name: members.TransformJobName,
    ...model,
    input: sourceOf(TransformInput.DataSource.S3DataSource),
    output: placeOf(TransformOutput.S3OutputPath, 'S3OutputPath'),
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
    timeoutMs: (ModelClientConfig.InvocationsTimeoutInSeconds ?? 600) * 1000,
    retries: ModelClientConfig.InvocationsMaxRetries ?? 3,
    environment: members.Environment ?? {},
  };
}

function sourceOf({ S3DataType, S3Uri }: { readonly S3DataType: string; readonly S3Uri: string }): TransformPlace {
  if (S3DataType === 'AugmentedManifestFile')
    throw refused('S3DataType AugmentedManifestFile is not read by transform jobs: S3Prefix or ManifestFile');
  const place = placeOf(S3Uri, 'S3Uri');
  return S3DataType === 'ManifestFile' ? { ...place, isManifest: true } : place;
}

function placeOf(uri: string, member: string): Extract<TransformPlace, { kind: 's3' }> {
  const [, bucket, prefix = ''] = /^s3:\/\/([^/]+)\/?(.*)$/s.exec(uri) ?? [];
  if (bucket === undefined) throw refused(`${member} '${uri.slice(0, 200)}' is no place in S3: expected s3://bucket/prefix`);
  return { kind: 's3', bucket, prefix };
}

/** As AWS's clients would have ordered it. */
export function membersOf(order: TransformOrder): AwsInput {
  const { concurrency, batch, payloadBytesMax, contentType, accept, assemble, split, isGzip, joins } = order;
  return {
    ...(concurrency === null ? {} : { MaxConcurrentTransforms: concurrency }),
    MaxPayloadInMB: Math.ceil(payloadBytesMax / 2 ** 20),
    BatchStrategy: batch === 'multi' ? 'MultiRecord' : 'SingleRecord',
    TransformInput: {
      DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: uriOf(order.input) } },
      ...(contentType === null ? {} : { ContentType: contentType }),
      CompressionType: isGzip === true ? 'Gzip' : 'None',
      SplitType: split === 'none' ? 'None' : 'Line',
    },
    TransformOutput: {
      S3OutputPath: uriOf(order.output),
      ...(accept === null ? {} : { Accept: accept }),
      AssembleWith: assemble === 'line' ? 'Line' : 'None',
    },
    TransformResources: { InstanceType: order.instanceType, InstanceCount: order.instances },
    DataProcessing: { InputFilter: order.inputFilter, OutputFilter: order.outputFilter, JoinSource: joins ? 'Input' : 'None' },
  };
}

function uriOf(place: TransformPlace): string {
  return place.kind === 'file' ? `file://${place.path}` : `s3://${place.bucket}/${place.prefix}`;
}

function refused(message: string): AwsError {
  return new AwsError('ValidationException', message);
}
