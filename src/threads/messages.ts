/** Messages between a pool and its threads. */
import type { PlatformError } from '../errors.ts';

export interface ThreadRequest {
  readonly module: string;
  readonly name: string;
  readonly input: unknown;
}

export type ThreadReply =
  | { readonly ok: true; readonly output: unknown }
  | { readonly ok: false; readonly error: Pick<PlatformError, 'code' | 'message' | 'hint'> & { readonly stack: string | undefined } };
