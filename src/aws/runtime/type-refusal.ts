/** A body's type is not read, or no type that is accepted is written: what a container answers with 415 and 406. */
import { PlatformError } from '../../errors.ts';

export class TypeRefusal extends PlatformError {
  readonly status: 406 | 415;

  constructor(status: 406 | 415, message: string) {
    super('invalid_request', message);
    this.status = status;
  }
}
