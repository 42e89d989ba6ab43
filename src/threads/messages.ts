/** Messages between a pool and its threads. */
import type { PlatformError } from '../errors.ts';

/** A task by the module that exports it, because functions cannot be sent. */
export interface ThreadRequest {
  readonly module: string;
  readonly name: string;
  readonly input: unknown;
}

/** The output of a task, or the error it threw: its code and message survive the thread's boundary. */
export type ThreadReply =
  | { readonly ok: true; readonly output: unknown }
  | { readonly ok: false; readonly error: Pick<PlatformError, 'code' | 'message' | 'hint'> & { readonly stack: string | undefined } };
