/** Names of log groups and streams, as ARNs have them. */
import type { AwsPlace } from '../service.ts';

export function logGroupArn({ region, account }: AwsPlace, name: string): string {
  return `arn:aws:logs:${region}:${account}:log-group:${name}`;
}

/** The group's name in an ARN of this place; null where it is none. AWS writes it with and without `:*` at its end. */
export function logGroupOfArn(arn: string, place: AwsPlace): string | null {
  const prefix = logGroupArn(place, '');
  if (!arn.startsWith(prefix)) return null;
  const name = arn.slice(prefix.length).replace(/:\*$/, '');
  return /^[.\-_/#A-Za-z0-9]{1,512}$/.test(name) ? name : null;
}
