/** The one way in which anything in Penstock refuses: a code for programs, a sentence for people. */

/** Every code there is. Each protocol has one table that `satisfies Record<ErrorCode, …>`. */
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

export interface PlatformErrorOptions {
  readonly cause?: unknown;
  /** What the caller can do about it, where the message does not say so already. */
  readonly hint?: string;
  /** When it makes sense to ask again; with `overloaded` and `unavailable`. */
  readonly retryAfterMs?: number;
}

/** Overload makes thousands of these a second: where they were made tells nobody anything, and costs more than all else about them. */
const withoutStack: ReadonlySet<ErrorCode> = new Set(['overloaded', 'deadline_exceeded']);

/**
 * What the caller did wrong, or the world did to us. The message says what was expected, what came and what to do.
 * Our own mistakes are asserts.
 */
export class PlatformError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: PlatformErrorOptions = {}) {
    const { stackTraceLimit } = Error;
    if (withoutStack.has(code)) Error.stackTraceLimit = 0;
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.name = 'PlatformError';
    this.code = code;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Anything that was thrown, as a `PlatformError`; what we did not foresee becomes `internal`. */
export function asPlatformError(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  return new PlatformError('internal', messageOf(error), { cause: error });
}
