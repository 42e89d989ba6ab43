import type { IncomingMessage } from 'node:http';

/** The client-chosen id of the inference; null if the client sent none. */
export function inferenceIdOf({ headers }: IncomingMessage): string | null {
  const id = headers['x-penstock-inference-id'] ?? headers['x-amzn-sagemaker-inference-id'];
  return typeof id === 'string' && id !== '' ? id : null;
}
