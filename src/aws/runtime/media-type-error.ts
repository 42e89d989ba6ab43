/** Unsupported `Content-Type` (415) or `Accept` (406): containers answer with these statuses, and clients read them. */
import { PlatformError } from '../../errors.ts';

export class MediaTypeError extends PlatformError {
  readonly status: 406 | 415;

  constructor(status: 406 | 415, message: string) {
    super('invalid_request', message);
    this.status = status;
  }
}
