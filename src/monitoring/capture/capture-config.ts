/** What of an endpoint's calls is kept, where, and what is never kept. Pure. */
import { PlatformError } from '../../errors.ts';

export interface CaptureConfig {
  /** Of a hundred calls, so many; 0 keeps none. */
  readonly percent: number;
  readonly inputs: boolean;
  readonly outputs: boolean;
  /** `s3://BUCKET/PREFIX`; endpoints have folders of their own below it. */
  readonly to: string;
  /** Names of inputs, outputs, columns, JSON members whose values are not kept. */
  readonly redact: readonly string[];
  /** Content types kept as text under the name CSV, in place of `text/csv`. */
  readonly csvTypes?: readonly string[];
  /** The same under the name JSON, in place of `application/json`. */
  readonly jsonTypes?: readonly string[];
}

export const captureBucketDefault = 'penstock-capture';
export const captureDefault: CaptureConfig = { percent: 100, inputs: true, outputs: true, to: `s3://${captureBucketDefault}`, redact: [] };

const namesMax = 100;
const nameLengthMax = 256;
const placeLengthMax = 512;

export interface CapturePlace {
  readonly bucket: string;
  /** Without slashes at its ends; may be empty. */
  readonly prefix: string;
}

/** The config itself where it can be had. Throws `invalid_request`. */
export function checkCapture(config: CaptureConfig): CaptureConfig {
  const { percent, inputs, outputs, redact } = config;
  if (!Number.isFinite(percent) || percent < 0 || percent > 100)
    throw invalid(`the share of calls is 0 to 100 percent, got ${String(percent)}`);
  if (!inputs && !outputs) throw invalid('neither inputs nor outputs are wanted: leave the capture out');
  if (redact.length > namesMax) throw invalid(`at most ${namesMax} names are redacted, got ${redact.length}`);
  const bad = redact.find((name) => name === '' || name.length > nameLengthMax);
  if (bad !== undefined) throw invalid(`a name to redact has 1 to ${nameLengthMax} characters, got ${bad.length}`);
  capturePlace(config.to);
  return config;
}

/** Throws `invalid_request` for what is no place in a bucket. */
export function capturePlace(to: string): CapturePlace {
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/s.exec(to.slice(0, placeLengthMax + 1)) ?? [];
  if (bucket === undefined || to.length > placeLengthMax) {
    throw invalid(`expected s3://BUCKET/PREFIX of at most ${placeLengthMax} characters, got '${to.slice(0, 80)}'`);
  }
  return { bucket, prefix: prefix.replace(/^\/+|\/+$/g, '') };
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', `capture: ${message}`);
}
