/** The names of things as AWS writes them: `arn:aws:sagemaker:REGION:ACCOUNT:model/iris`. Pure. */
import { AwsError, type AwsPlace } from '../service.ts';

export type ResourceType = 'model' | 'endpoint-config' | 'endpoint' | 'model-package-group' | 'model-package' | 'transform-job';

export interface Resource {
  readonly type: ResourceType;
  readonly name: string;
  /** Of a model package in a group. */
  readonly version: number | null;
}

const types: readonly ResourceType[] = ['model', 'endpoint-config', 'endpoint', 'model-package-group', 'model-package', 'transform-job'];
const arnPattern = /^arn:aws[a-z-]*:sagemaker:([a-z0-9-]*):(\d{12}):([a-z-]+)\/(.+)$/;
const namePattern = /^([a-zA-Z0-9][a-zA-Z0-9-]{0,62})(?:\/([0-9]{1,9}))?$/;

/** Names are unique without case, and in lower case in an ARN. */
export function arnOf({ region, account }: AwsPlace, type: ResourceType, name: string, version: number | null = null): string {
  const path = version === null ? name : `${name}/${version}`;
  return `arn:aws:sagemaker:${region}:${account}:${type}/${path.toLowerCase()}`;
}

/** What an ARN names; null where it is none of this account and region, or of a type that is not kept here. */
export function resourceOf(place: AwsPlace, arn: string): Resource | null {
  const [, region, account, type, path] = arnPattern.exec(arn) ?? [];
  const known = types.find((candidate) => candidate === type);
  if (known === undefined || path === undefined || region !== place.region || account !== place.account) return null;
  const [, name, version] = namePattern.exec(path) ?? [];
  if (name === undefined || (version !== undefined && known !== 'model-package')) return null;
  return { type: known, name, version: version === undefined ? null : Number(version) };
}

/**
 * Reads `iris`, `iris/3` or an ARN of that type, as most operations take them. Throws where an ARN is of another type,
 * account or region, or what follows it is no name.
 */
export function readReference(place: AwsPlace, type: ResourceType, text: string): Resource {
  if (text.startsWith('arn:')) {
    const resource = resourceOf(place, text);
    if (resource?.type !== type) {
      throw new AwsError(
        'ValidationException',
        `${text} is no ${type} of this account and region: expected ${arnOf(place, type, 'NAME')} or a name`,
      );
    }
    return resource;
  }
  const [, name, version] = namePattern.exec(text) ?? [];
  if (name === undefined || (version !== undefined && type !== 'model-package')) {
    throw new AwsError('ValidationException', `'${text.slice(0, 200)}' names no ${type}: expected a name or an ARN`);
  }
  return { type, name, version: version === undefined ? null : Number(version) };
}
