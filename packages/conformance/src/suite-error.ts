/** The suite cannot run: the command line is wrong, or the server does not respond or has no suitable model. */
export class SuiteError extends Error {
  readonly code: 'invalid_request' | 'unauthenticated' | 'not_found' | 'unavailable';

  constructor(code: SuiteError['code'], message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.name = 'SuiteError';
    this.code = code;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
