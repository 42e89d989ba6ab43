/** ARNs that events are delivered to: log groups and pipelines of this account and region. Pure. */
import { logGroupOfArn } from '../logs/log-arn.ts';
import type { AwsLocation } from '../service.ts';

/** False also for ARNs of the right kind in another account or region. */
export function isDeliverableArn(arn: string, awsLocation: AwsLocation): boolean {
  return logGroupOfArn(arn, awsLocation) !== null || pipelineOfArn(arn, awsLocation) !== null;
}

/** The pipeline named by an ARN; null for any other ARN. */
export function pipelineOfArn(arn: string, { region, account }: AwsLocation): string | null {
  const prefix = `arn:aws:sagemaker:${region}:${account}:pipeline/`;
  if (!arn.startsWith(prefix)) return null;
  const name = arn.slice(prefix.length);
  return /^[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,62}$/.test(name) ? name : null;
}
