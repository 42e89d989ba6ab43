/** Builds the notification of an outcome in SageMaker's format. Pure. */
import { type AsyncRequest, formatObjectUri } from './async-request.ts';

export interface NotificationContext {
  readonly request: AsyncRequest;
  readonly awsRegion: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Reason of a failure; null after success. */
  readonly reason: string | null;
  readonly answer: {
    readonly contentType: string /** Null if too large or not requested. */;
    readonly body: Uint8Array | null;
  } | null;
}

/** Larger responses are not included in notifications. */
export const inlineResponseBytesMax = 131_072;

/** The body of the notification, in the format that SageMaker publishes to SNS. */
export function notificationOf({ request, awsRegion, atMs, reason, answer }: NotificationContext): Record<string, unknown> {
  const reported = answer?.body ?? null;
  const { endpoint, contentType, input, inferenceId, output, failure, createdAtMs } = request;
  return {
    awsRegion,
    eventTime: new Date(atMs).toISOString(),
    receivedTime: new Date(createdAtMs).toISOString(),
    invocationStatus: reason === null ? 'Completed' : 'Failed',
    ...(reason === null ? {} : { failureReason: reason }),
    requestParameters: {
      ...(contentType === null ? {} : { contentType }),
      endpointName: endpoint,
      ...(input === null ? {} : { inputLocation: formatObjectUri(input) }),
    },
    ...(reason === null ? { responseParameters: { contentType: answer?.contentType, outputLocation: formatObjectUri(output) } } : {}),
    ...(reason !== null && failure !== null ? { responseParameters: { outputLocation: formatObjectUri(failure) } } : {}),
    ...(reported === null
      ? {}
      : {
          responseBody: {
            content: Buffer.from(reported).toString('base64'),
            encoding: 'BASE64',
          },
        }),
    inferenceId,
    eventVersion: '1.0',
    eventSource: 'aws:sagemaker',
    eventName: 'InferenceResult',
  };
}
