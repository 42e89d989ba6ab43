/** The members of an invocation that travel as headers, checked as AWS checks them. All other headers mean nothing here. */
import type { IncomingHttpHeaders } from 'node:http';
import { checkInput } from '../shapes/check-input.ts';
import { shapesOf } from '../shapes/shapes.ts';
import type { RuntimePlace } from './place.ts';

export interface InvocationMembers {
  readonly EndpointName: string;
  readonly ContentType?: string;
  readonly Accept?: string;
  readonly CustomAttributes?: string;
  readonly TargetModel?: string;
  readonly TargetVariant?: string;
  readonly TargetContainerHostname?: string;
  readonly InferenceId?: string;
  readonly EnableExplanations?: string;
  readonly InferenceComponentName?: string;
  readonly SessionId?: string;
}

/** Each header's member; the two that are not here differ by operation. */
const headers = [
  ['x-amzn-sagemaker-custom-attributes', 'CustomAttributes'],
  ['x-amzn-sagemaker-target-model', 'TargetModel'],
  ['x-amzn-sagemaker-target-variant', 'TargetVariant'],
  ['x-amzn-sagemaker-target-container-hostname', 'TargetContainerHostname'],
  ['x-amzn-sagemaker-inference-id', 'InferenceId'],
  ['x-amzn-sagemaker-enable-explanations', 'EnableExplanations'],
  ['x-amzn-sagemaker-inference-component', 'InferenceComponentName'],
  ['x-amzn-sagemaker-session-id', 'SessionId'],
] as const;

/** Throws `invalid_request` in AWS's words. */
export function membersOf(given: IncomingHttpHeaders, { operation, endpoint }: RuntimePlace): InvocationMembers {
  // The body is checked by whoever reads it.
  const members: Record<string, unknown> = { EndpointName: endpoint, Body: '' };
  const accept = operation === 'InvokeEndpoint' ? given.accept : given['x-amzn-sagemaker-accept'];
  if (given['content-type'] !== undefined) members.ContentType = given['content-type'];
  if (accept !== undefined) members.Accept = accept;
  for (const [header, member] of headers) {
    const value = given[header];
    if (value !== undefined) members[member] = value;
  }
  return checkInput(shapesOf('sagemaker-runtime').operation(operation)?.input ?? null, members) as unknown as InvocationMembers;
}
