/** Who am I? The call with which tools see whether their keys work. */
import type { AwsService } from './service.ts';

export function stsService(): AwsService {
  return {
    name: 'sts',
    operations: {
      GetCallerIdentity: (_input, { caller, account }) => ({
        UserId: caller.keyId,
        Account: account,
        Arn: `arn:aws:iam::${account}:user/${caller.keyId}`,
      }),
    },
  };
}
