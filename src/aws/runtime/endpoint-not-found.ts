/** An invocation of an endpoint that there is not: it never gets as far as a model. */
import { AwsError } from '../service.ts';

export class EndpointNotFound extends AwsError {
  constructor(account: string, endpoint: string) {
    super('ValidationError', `Endpoint ${endpoint} of account ${account} not found.`);
  }
}
