/** The policies that a server can go by. */
import { PlatformError } from '../errors.ts';
import { type Policy, parsePolicy, type SinglePolicy } from './strategies/policy.ts';

/** Throws `invalid_request` for what is no policy, and for those that only a simulation can follow. */
export function scalingPolicy(text: string): Policy {
  const policy = parsePolicy(text);
  for (const one of policy.kind === 'largest' ? policy.policies : [policy]) checkSingle(one);
  return policy;
}

function checkSingle(policy: SinglePolicy): void {
  const { text } = policy;
  if (policy.kind === 'oracle') throw cannot('oracle knows what will come, which only a simulation does', text);
  if (policy.kind === 'batch') throw cannot('batch serves by functions alone: deploy the endpoint serverless for that', text);
  if (policy.kind === 'static' && policy.instances === null) {
    throw cannot('static needs a number here, such as static:2, since nobody knows the peak that is to come', text);
  }
}

function cannot(why: string, text: string): PlatformError {
  return new PlatformError('invalid_request', `policy '${text}': ${why}; economic suits most loads`);
}
