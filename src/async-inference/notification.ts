/** What is told of an outcome, in the words of SageMaker's notifications. Pure. */
import { type AsyncRequest, uriOf } from './async-request.ts';

export interface Told {
  readonly request: AsyncRequest;
  readonly awsRegion: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Why there is no answer; null where there is one. */
  readonly reason: string | null;
  readonly answer: {
    readonly contentType: string /** null where it is too large, or was not asked for. */;
    readonly body: Uint8Array | null;
  } | null;
}

/** An answer of more bytes is not told: look at its object. */
export const toldBytesMax = 131_072;

export function notificationOf({ request, awsRegion, atMs, reason, answer }: Told): Record<string, unknown> {
  const told = answer?.body ?? null;
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
      ...(input === null ? {} : { inputLocation: uriOf(input) }),
    },
    ...(reason === null ? { responseParameters: { contentType: answer?.contentType, outputLocation: uriOf(output) } } : {}),
    ...(reason !== null && failure !== null ? { responseParameters: { outputLocation: uriOf(failure) } } : {}),
    ...(told === null
      ? {}
      : {
          responseBody: {
            content: Buffer.from(told).toString('base64'),
            encoding: 'BASE64',
          },
        }),
    inferenceId,
    eventVersion: '1.0',
    eventSource: 'aws:sagemaker',
    eventName: 'InferenceResult',
  };
}
