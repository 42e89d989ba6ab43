/** Reads the location of a container's model data. Pure. */
import { AwsError } from '../../service.ts';

/** A container definition of AWS. Members without an effect are stored and returned unchanged. */
export interface Container {
  readonly Image?: string;
  readonly Mode?: string;
  readonly MultiModelConfig?: { readonly ModelCacheSetting?: 'Enabled' | 'Disabled' };
  readonly ModelDataUrl?: string;
  readonly ModelDataSource?: { readonly S3DataSource?: S3DataSource };
  readonly Environment?: Readonly<Record<string, string>>;
  readonly ModelPackageName?: string;
}

interface S3DataSource {
  readonly S3Uri: string;
  readonly S3DataType: 'S3Prefix' | 'S3Object';
  readonly CompressionType: 'None' | 'Gzip';
}

/** An `s3://` URI of model data, taken apart. */
export interface ModelLocation {
  readonly bucket: string;
  readonly key: string;
  /** True if `key` is a prefix, and all objects below it are the model. */
  readonly isFolder: boolean;
  /** As specified, for error messages. */
  readonly uri: string;
}

/** null if the container has no model data. Throws `ValidationException`. */
export function locationOf({ ModelDataUrl, ModelDataSource }: Container): ModelLocation | null {
  const source = ModelDataSource?.S3DataSource;
  if (ModelDataUrl !== undefined && source !== undefined) {
    throw new AwsError('ValidationException', 'Both ModelDataUrl and ModelDataSource are provided in the input. Provide one of them.');
  }
  if (source === undefined)
    return ModelDataUrl === undefined ? null : { ...parseModelUri(ModelDataUrl), isFolder: false, uri: ModelDataUrl };
  const { S3Uri, S3DataType, CompressionType } = source;
  if (S3DataType === 'S3Prefix' && CompressionType === 'Gzip') {
    throw new AwsError(
      'ValidationException',
      'S3DataType S3Prefix requires CompressionType None. For a .tar.gz file, set S3DataType to S3Object.',
    );
  }
  return { ...parseModelUri(S3Uri), isFolder: S3DataType === 'S3Prefix', uri: S3Uri };
}

/**
 * The archive of scripts that the SageMaker SDK uploads apart from the model, `s3://BUCKET/…/sourcedir.tar.gz`; null if the scripts are in
 * the archive of the model. Throws `ValidationException`.
 */
export function codeLocationOf({ Environment: environment = {} }: Container): ModelLocation | null {
  const uri = environment['SAGEMAKER_SUBMIT_DIRECTORY'];
  return uri?.startsWith('s3://') === true ? { ...parseModelUri(uri), isFolder: false, uri } : null;
}

/** Accepts `s3://bucket/key` and both forms of AWS's https URLs of objects. */
function parseModelUri(uri: string): { readonly bucket: string; readonly key: string } {
  const [, bucket, key] =
    /^s3:\/\/([^/]+)\/(.+)$/s.exec(uri) ??
    /^https:\/\/s3[.-]?[a-z0-9-]*\.amazonaws\.com\/([^/?#]+)\/([^?#]+)$/.exec(uri) ??
    /^https:\/\/([^/]+)\.s3[.-]?[a-z0-9-]*\.amazonaws\.com\/([^?#]+)$/.exec(uri) ??
    [];
  if (bucket !== undefined && key !== undefined) return { bucket, key: uri.startsWith('s3:') ? key : decoded(key) };
  throw new AwsError('ValidationException', `Model data must be in the S3 of this server: expected s3://BUCKET/KEY, got ${uri}`);
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
