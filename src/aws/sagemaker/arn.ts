/** ARNs of SageMaker resources: `arn:aws:sagemaker:REGION:ACCOUNT:model/iris`. Pure. */
import { AwsError, type AwsLocation } from '../service.ts';

/** The part of an ARN before the name. */
export type ResourceType =
  | 'model'
  | 'endpoint-config'
  | 'endpoint'
  | 'model-package-group'
  | 'model-package'
  | 'transform-job'
  | 'training-job'
  | 'processing-job'
  | 'pipeline'
  | 'hyper-parameter-tuning-job'
  | 'inference-recommendations-job';

/** The resource that a parsed ARN names; region and account were compared with the server's. */
export interface ArnResource {
  readonly type: ResourceType;
  readonly name: string;
  /** Set for a model package in a group, else null. */
  readonly version: number | null;
}

const types: readonly ResourceType[] = [
  'model',
  'endpoint-config',
  'endpoint',
  'model-package-group',
  'model-package',
  'transform-job',
  'training-job',
  'processing-job',
  'pipeline',
  'hyper-parameter-tuning-job',
  'inference-recommendations-job',
];
const arnPattern = /^arn:aws[a-z-]*:sagemaker:([a-z0-9-]*):(\d{12}):([a-z-]+)\/(.+)$/;
const namePattern = /^([a-zA-Z0-9][a-zA-Z0-9-]{0,62})(?:\/([0-9]{1,9}))?$/;

/** Names are unique regardless of case, and in lower case in an ARN. */
export function arnOf({ region, account }: AwsLocation, type: ResourceType, name: string, version: number | null = null): string {
  const path = version === null ? name : `${name}/${version}`;
  return `arn:aws:sagemaker:${region}:${account}:${type}/${path.toLowerCase()}`;
}

/** Parses an ARN; null if it is of another account or region, or of an unsupported type. */
export function resourceOf(awsLocation: AwsLocation, arn: string): ArnResource | null {
  const [, region, account, type, path] = arnPattern.exec(arn) ?? [];
  const known = types.find((candidate) => candidate === type);
  if (known === undefined || path === undefined || region !== awsLocation.region || account !== awsLocation.account) return null;
  const [, name, version] = namePattern.exec(path) ?? [];
  if (name === undefined || (version !== undefined && known !== 'model-package')) return null;
  return { type: known, name, version: version === undefined ? null : Number(version) };
}

/**
 * Reads `iris`, `iris/3` or an ARN, as most operations accept them. Throws `ValidationException` for an invalid name, and for an ARN of
 * another type, account or region.
 */
export function readReference(awsLocation: AwsLocation, type: ResourceType, text: string): ArnResource {
  if (text.startsWith('arn:')) {
    const resource = resourceOf(awsLocation, text);
    if (resource?.type !== type) {
      throw new AwsError(
        'ValidationException',
        `${text} is not a ${type} of this account and region: expected ${arnOf(awsLocation, type, 'NAME')} or a name`,
      );
    }
    return resource;
  }
  const [, name, version] = namePattern.exec(text) ?? [];
  if (name === undefined || (version !== undefined && type !== 'model-package')) {
    throw new AwsError('ValidationException', `'${text.slice(0, 200)}' is not a valid ${type}: expected a name or an ARN`);
  }
  return { type, name, version: version === undefined ? null : Number(version) };
}
