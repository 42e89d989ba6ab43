import type { IncomingMessage } from 'node:http';

/** What the client calls the inference; null where it calls it nothing. */
export function inferenceIdOf({ headers }: IncomingMessage): string | null {
  const id = headers['x-penstock-inference-id'] ?? headers['x-amzn-sagemaker-inference-id'];
  return typeof id === 'string' && id !== '' ? id : null;
}
