/** What is kept of an endpoint's calls: AWS's words for it, and ours. Pure. */
import type { EndpointConfig } from '../../deployment/index.ts';
import { PlatformError } from '../../errors.ts';
import { capturePlace } from '../../monitoring/index.ts';
import { AwsError } from '../service.ts';
import type { DataCaptureConfig } from './endpoint-documents.ts';

type CaptureConfig = NonNullable<EndpointConfig['capture']>;

/** null where nothing is to be kept. Throws `ValidationException` for a place that is no bucket of this server. */
export function captureOf(config: DataCaptureConfig | undefined): CaptureConfig | null {
  if (config === undefined || config.EnableCapture === false) return null;
  const { InitialSamplingPercentage: percent, DestinationS3Uri: to, CaptureOptions = [], CaptureContentTypeHeader: types } = config;
  checkPlace(to);
  const modes = CaptureOptions.map(({ CaptureMode }) => CaptureMode);
  const wants = (mode: string): boolean => modes.length === 0 || modes.some((each) => each === mode || each === 'InputAndOutput');
  return {
    percent,
    inputs: wants('Input'),
    outputs: wants('Output'),
    to,
    redact: [],
    ...(types?.CsvContentTypes === undefined ? {} : { csvTypes: types.CsvContentTypes }),
    ...(types?.JsonContentTypes === undefined ? {} : { jsonTypes: types.JsonContentTypes }),
  };
}

/** Of an endpoint that another door made. */
export function dataCaptureConfig({ percent, inputs, outputs, to, csvTypes, jsonTypes }: CaptureConfig): DataCaptureConfig {
  return {
    EnableCapture: true,
    InitialSamplingPercentage: Math.round(percent), // AWS has whole ones only
    DestinationS3Uri: to,
    CaptureOptions: [...(inputs ? [{ CaptureMode: 'Input' as const }] : []), ...(outputs ? [{ CaptureMode: 'Output' as const }] : [])],
    CaptureContentTypeHeader: { CsvContentTypes: csvTypes ?? ['text/csv'], JsonContentTypes: jsonTypes ?? ['application/json'] },
  };
}

function checkPlace(to: string): void {
  try {
    capturePlace(to);
  } catch (error) {
    throw error instanceof PlatformError ? new AwsError('ValidationException', `DestinationS3Uri: ${error.message}`) : error;
  }
}
