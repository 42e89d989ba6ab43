/** Errors that end a verb: one line on stderr that says what to do, and an exit code. */

/** 1: rejected or failed. 2: the command line is invalid. */
export type CliErrorCode = 1 | 2;

/** `message` is printed as it is; no stack trace is shown. */
export class CliError extends Error {
  readonly exitCode: CliErrorCode;

  constructor(message: string, exitCode: CliErrorCode = 1, options: ErrorOptions = {}) {
    super(message, options);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

/** An error response of the server, with the server's own message. */
export class ServerError extends CliError {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'ServerError';
    this.status = status;
    this.code = code;
  }
}
