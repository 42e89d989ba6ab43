/** Where a container says that its model lies. Pure. */
import { AwsError } from '../service.ts';

/** As it stands in the shapes; members that mean nothing here are kept and shown as they came. */
export interface Container {
  readonly Image?: string;
  readonly Mode?: string;
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

export interface ModelLocation {
  readonly bucket: string;
  readonly key: string;
  /** All objects whose keys begin with `key` are the model, not one of that name. */
  readonly isFolder: boolean;
  /** As it was written. */
  readonly uri: string;
}

/** Of a container; null where it names no model data. Throws `ValidationException`. */
export function locationOf({ ModelDataUrl, ModelDataSource }: Container): ModelLocation | null {
  const source = ModelDataSource?.S3DataSource;
  if (ModelDataUrl !== undefined && source !== undefined) {
    throw new AwsError('ValidationException', 'Both ModelDataUrl and ModelDataSource are provided in the input. Provide one of them.');
  }
  if (source === undefined) return ModelDataUrl === undefined ? null : { ...placeOf(ModelDataUrl), isFolder: false, uri: ModelDataUrl };
  const { S3Uri, S3DataType, CompressionType } = source;
  if (S3DataType === 'S3Prefix' && CompressionType === 'Gzip') {
    throw new AwsError('ValidationException', 'S3DataType S3Prefix goes with CompressionType None: name a .tar.gz file by S3Object.');
  }
  return { ...placeOf(S3Uri), isFolder: S3DataType === 'S3Prefix', uri: S3Uri };
}

/** `s3://bucket/key`, or one of the URLs that AWS gives S3's objects. */
function placeOf(uri: string): { readonly bucket: string; readonly key: string } {
  const [, bucket, key] =
    /^s3:\/\/([^/]+)\/(.+)$/s.exec(uri) ??
    /^https:\/\/s3[.-]?[a-z0-9-]*\.amazonaws\.com\/([^/?#]+)\/([^?#]+)$/.exec(uri) ??
    /^https:\/\/([^/]+)\.s3[.-]?[a-z0-9-]*\.amazonaws\.com\/([^?#]+)$/.exec(uri) ??
    [];
  if (bucket !== undefined && key !== undefined) return { bucket, key: uri.startsWith('s3:') ? key : decoded(key) };
  throw new AwsError('ValidationException', `Model data is read from the S3 of this server: expected s3://BUCKET/KEY, got ${uri}`);
}

function decoded(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
