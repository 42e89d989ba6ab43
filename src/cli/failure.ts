/** How a verb ends badly: one line on stderr that says what to do, and an exit code. */

/** 1: refused or failed. 2: the command line itself is wrong. */
export type FailureCode = 1 | 2;

export class Failure extends Error {
  readonly exitCode: FailureCode;

  constructor(message: string, exitCode: FailureCode = 1, options: ErrorOptions = {}) {
    super(message, options);
    this.name = 'Failure';
    this.exitCode = exitCode;
  }
}

/** A server's refusal, told as the server told it. */
export class Refusal extends Failure {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
  }
}
