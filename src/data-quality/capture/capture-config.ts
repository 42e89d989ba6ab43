/** Settings of capture: which calls of an endpoint, their destination, and the names to redact. Pure. */
import { PlatformError } from '../../errors.ts';
import { captureFields, checkFields, defaultsOf, type FieldValues } from '../../fields/index.ts';

/** The settings of an endpoint's capture. */
export type CaptureConfig = FieldValues<typeof captureFields>;

/** Of an endpoint that captures and says no more. */
export const captureDefault: CaptureConfig = defaultsOf(captureFields);

const namesMax = 100;
const nameLengthMax = 256;
const destinationLengthMax = 512;

/** Created when capture is turned on. */
export const captureBucketDefault = parseCaptureDestination(captureDefault.to).bucket;

/** A parsed `s3://BUCKET/PREFIX`. */
export interface CaptureDestination {
  readonly bucket: string;
  /** Without leading or trailing slashes; can be empty. */
  readonly prefix: string;
}

/** Returns the config if it is valid. Throws `invalid_request`. */
export function checkCapture(config: CaptureConfig): CaptureConfig {
  const { inputs, outputs, redact } = config;
  checkFields('capture: ', captureFields, config);
  if (!inputs && !outputs) throw invalid('expected inputs, outputs or both, got neither. Remove the capture to disable it');
  if (redact.length > namesMax) throw invalid(`expected at most ${namesMax} names to redact, got ${redact.length}`);
  const bad = redact.find((name) => name === '' || name.length > nameLengthMax);
  if (bad !== undefined) throw invalid(`expected names to redact of 1 to ${nameLengthMax} characters, got one of ${bad.length}`);
  parseCaptureDestination(config.to);
  return config;
}

/** Throws `invalid_request` for an invalid S3 URI. */
export function parseCaptureDestination(to: string): CaptureDestination {
  const [, bucket, prefix = ''] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s.exec(to.slice(0, destinationLengthMax + 1)) ?? [];
  if (bucket === undefined || to.length > destinationLengthMax) {
    throw invalid(`expected s3://BUCKET/PREFIX of at most ${destinationLengthMax} characters, got '${to.slice(0, 80)}'`);
  }
  return { bucket, prefix: prefix.replace(/^\/+|\/+$/g, '') };
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', `capture: ${message}`);
}
