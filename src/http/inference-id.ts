/** The id that a client gives an inference, by which labels are posted later. Every protocol takes it from the same headers. */
import type { IncomingMessage } from 'node:http';

/** The client-chosen id of the inference; null if the client sent none. */
export function inferenceIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string | null {
  const id = headers['x-penstock-inference-id'] ?? headers['x-amzn-sagemaker-inference-id'];
  return typeof id === 'string' && id !== '' ? id : null;
}
