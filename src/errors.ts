/** The error type of all modules: a code for programs and a message for people. */

/** All error codes. Each protocol has one table that `satisfies Record<ErrorCode, …>`. */
export type ErrorCode =
  | 'invalid_request'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'already_exists'
  | 'wrong_state'
  | 'too_large'
  | 'overloaded'
  | 'deadline_exceeded'
  | 'model_failed'
  | 'unsupported'
  | 'unavailable'
  | 'internal';

/** What an error says beyond its code and message. */
export interface PlatformErrorOptions {
  readonly cause?: unknown;
  /** What the caller can do, unless the message says it. */
  readonly hint?: string;
  /** Delay after which a retry makes sense; only with `overloaded` and `unavailable`. */
  readonly retryAfterMs?: number;
  /** The HTTP status, 400 to 499, that a model chose for its caller; only with `invalid_request`. */
  readonly callerStatus?: number;
  /** The last lines of a program that failed: for the operator, not for callers. */
  readonly lines?: readonly string[];
}

/** Overload creates thousands of these errors a second. Their stack traces have no value and would be the main cost. */
const withoutStack: ReadonlySet<ErrorCode> = new Set(['overloaded', 'deadline_exceeded']);

/** An error of the caller or the environment. The message says what was expected, what was received and what to do. */
export class PlatformError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly callerStatus: number | undefined;
  readonly lines: readonly string[];

  constructor(code: ErrorCode, message: string, options: PlatformErrorOptions = {}) {
    const { stackTraceLimit } = Error;
    if (withoutStack.has(code)) Error.stackTraceLimit = 0;
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'PlatformError';
    this.code = code;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
    this.callerStatus = options.callerStatus;
    this.lines = options.lines ?? [];
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Converts anything thrown to a `PlatformError`; unexpected errors become `internal`. */
export function asPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  return new PlatformError('internal', messageOf(error), { cause: error });
}
