/** Validates the policies that a server accepts. */
import { PlatformError } from '../errors.ts';
import { type Policy, parsePolicy, type SinglePolicy } from './strategies/policy.ts';

/** Limits on the number of instances. */
interface InstanceLimits {
  readonly instancesMin: number;
  readonly instancesMax: number;
}

/**
 * Parses a policy. Throws `invalid_request` for an invalid policy, for one that works only in simulations, and for a fixed number
 * outside `limits`.
 */
export function scalingPolicy(text: string, limits?: InstanceLimits): Policy {
  const policy = parsePolicy(text);
  for (const one of policy.kind === 'largest' ? policy.policies : [policy]) checkSingle(one);
  if (policy.kind === 'static' && policy.instances !== null && limits !== undefined) checkFixed(policy.text, policy.instances, limits);
  return policy;
}

function checkFixed(text: string, instances: number, { instancesMin: min, instancesMax: max }: InstanceLimits): void {
  const isMore = instances > max;
  if (!isMore && instances >= min) return;
  const [limit, cure] = isMore ? [`most (${max})`, 'raise the maximum'] : [`least (${min})`, 'lower the minimum'];
  throw new PlatformError(
    'invalid_request',
    `policy '${text}' requires ${isMore ? 'more' : 'fewer'} instances than the ${limit}: ${cure}, or choose another number`,
  );
}

function checkSingle(policy: SinglePolicy): void {
  const { text } = policy;
  if (policy.kind === 'oracle') throw cannot('oracle knows future traffic, which only exists in a simulation', text);
  if (policy.kind === 'batch') throw cannot('batch uses functions alone: deploy the endpoint as serverless instead', text);
  if (policy.kind === 'static' && policy.instances === null) {
    throw cannot('static needs a number here, such as static:2, because the future peak is unknown', text);
  }
}

function cannot(why: string, text: string): PlatformError {
  return new PlatformError('invalid_request', `policy '${text}': ${why}; economic suits most loads`);
}
