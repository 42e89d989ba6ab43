/** The endpoint does not exist. A separate type, because such a request appears in no endpoint's log or metrics. */
import { AwsError } from '../service.ts';

export class EndpointNotFound extends AwsError {
  constructor(account: string, endpoint: string) {
    super('ValidationError', `Endpoint ${endpoint} of account ${account} not found.`);
  }
}
