/** Where captured calls may be written. */
import { PlatformError } from '../../errors.ts';
import { captureBucketDefault, parseCaptureDestination } from './capture-config.ts';

/** Throws if the bucket is missing: every captured call would be lost, and only the log would show it. */
export async function checkDestination(to: string, hasBucket: (bucket: string) => Promise<boolean>): Promise<void> {
  const { bucket } = parseCaptureDestination(to);
  if (bucket === captureBucketDefault || (await hasBucket(bucket))) return;
  throw new PlatformError(
    'invalid_request',
    `capture: bucket '${bucket}' does not exist: create it first, or capture to s3://${captureBucketDefault}`,
  );
}
