/** The members of an invocation that travel as headers, validated by AWS's shapes. Other headers are ignored. */
import type { IncomingHttpHeaders } from 'node:http';
import { checkInput } from '../shapes/check-input.ts';
import { shapesOf } from '../shapes/shapes.ts';
import type { RuntimePath } from './runtime-path.ts';

/** AWS's names of the headers that an invocation can have. */
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

/** `ContentType` and `Accept` are missing: their headers differ by operation. */
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

/** Throws `invalid_request` with AWS's own message. */
export function invocationMembersOf(input: IncomingHttpHeaders, { operation, endpoint }: RuntimePath): InvocationMembers {
  // A placeholder: the body is validated when it is decoded.
  const members: Record<string, unknown> = { EndpointName: endpoint, Body: '' };
  const accept = operation === 'InvokeEndpoint' ? input.accept : input['x-amzn-sagemaker-accept'];
  if (input['content-type'] !== undefined) members.ContentType = input['content-type'];
  if (accept !== undefined) members.Accept = accept;
  for (const [header, member] of headers) {
    const value = input[header];
    if (value !== undefined) members[member] = value;
  }
  return checkInput(shapesOf('sagemaker-runtime').operation(operation)?.input ?? null, members) as unknown as InvocationMembers;
}
