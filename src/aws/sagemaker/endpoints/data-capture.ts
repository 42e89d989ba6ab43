/** Converts between AWS's `DataCaptureConfig` and Penstock's capture settings. Pure. */

import { parseCaptureDestination } from '../../../data-quality/index.ts';
import { defined } from '../../../defined.ts';
import type { EndpointConfig } from '../../../deployment/index.ts';
import { PlatformError } from '../../../errors.ts';
import { AwsError } from '../../service.ts';
import type { DataCaptureConfig } from './endpoint-documents.ts';

type CaptureConfig = NonNullable<EndpointConfig['capture']>;

/**
 * null if capture is off. AWS has no member for redaction and none for fractions of a percent, so those of `before` stay. Throws
 * `ValidationException` for a destination outside this server's S3.
 */
export function captureOf(config: DataCaptureConfig | undefined, before: CaptureConfig | null = null): CaptureConfig | null {
  if (config === undefined || config.EnableCapture === false) return null;
  const { InitialSamplingPercentage: percent, DestinationS3Uri: to, CaptureOptions = [], CaptureContentTypeHeader: types } = config;
  checkDestination(to);
  const modes = CaptureOptions.map(({ CaptureMode }) => CaptureMode);
  const captures = (mode: string): boolean => modes.length === 0 || modes.some((each) => each === mode || each === 'InputAndOutput');
  return {
    percent: before !== null && Math.round(before.percent) === percent ? before.percent : percent,
    inputs: captures('Input'),
    outputs: captures('Output'),
    to,
    redact: before?.redact ?? [],
    ...(types?.CsvContentTypes === undefined ? {} : { csvTypes: types.CsvContentTypes }),
    ...(types?.JsonContentTypes === undefined ? {} : { jsonTypes: types.JsonContentTypes }),
  };
}

/** The AWS config of capture settings that were made through another API. */
export function dataCaptureConfig({ percent, inputs, outputs, to, csvTypes, jsonTypes }: CaptureConfig): DataCaptureConfig {
  return {
    EnableCapture: true,
    InitialSamplingPercentage: Math.round(percent), // AWS allows integers only
    DestinationS3Uri: to,
    CaptureOptions: [...(inputs ? [{ CaptureMode: 'Input' as const }] : []), ...(outputs ? [{ CaptureMode: 'Output' as const }] : [])],
    ...(csvTypes === undefined && jsonTypes === undefined
      ? {}
      : { CaptureContentTypeHeader: defined({ CsvContentTypes: csvTypes, JsonContentTypes: jsonTypes }) }),
  };
}

function checkDestination(to: string): void {
  try {
    parseCaptureDestination(to);
  } catch (error) {
    throw error instanceof PlatformError ? new AwsError('ValidationException', `DestinationS3Uri: ${error.message}`) : error;
  }
}
