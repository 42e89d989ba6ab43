/** The policies that a server can go by. */
import { PlatformError } from '../errors.ts';
import { type Policy, parsePolicy, type SinglePolicy } from './strategies/policy.ts';

/** How many instances there may be. */
interface InstanceLimits {
  readonly instancesMin: number;
  readonly instancesMax: number;
}

/**
 * Throws `invalid_request` for what is no policy, for those that only a simulation can follow, and for a fixed number that the
 * limits, where they are given, do not allow.
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
    `policy '${text}' asks for ${isMore ? 'more' : 'fewer'} instances than the ${limit}: ${cure}, or ask for another number`,
  );
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
