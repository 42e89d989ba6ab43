/** Names of log groups in ARNs. */
import type { AwsLocation } from '../service.ts';

export function logGroupArn({ region, account }: AwsLocation, name: string): string {
  return `arn:aws:logs:${region}:${account}:log-group:${name}`;
}

/** The group named by an ARN of this account and region; null for any other ARN. AWS writes it with and without a trailing `:*`. */
export function logGroupOfArn(arn: string, awsLocation: AwsLocation): string | null {
  const prefix = logGroupArn(awsLocation, '');
  if (!arn.startsWith(prefix)) return null;
  const name = arn.slice(prefix.length).replace(/:\*$/, '');
  return /^[.\-_/#A-Za-z0-9]{1,512}$/.test(name) ? name : null;
}
