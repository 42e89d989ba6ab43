/** What a node answers to an introduction. */
import type { ErrorCode, PlatformError } from '../errors.ts';

/**
 * `ok`: what follows belongs to the kind of the link. `moved`: this node is not the home; the address of the home, null if none is known.
 * `refused`: why, in one sentence.
 */
export type LinkAnswer =
  | { readonly ok: true; readonly [field: string]: unknown }
  | { readonly moved: string | null }
  | { readonly refused: string; readonly code: ErrorCode };

/** Null if it is none: the other side is another program. */
export function linkAnswer(message: unknown): LinkAnswer | null {
  if (typeof message !== 'object' || message === null) return null;
  const answer = message as Readonly<Record<string, unknown>>;
  if (answer.ok === true) return answer as LinkAnswer;
  if (answer.moved === null || typeof answer.moved === 'string') return { moved: answer.moved };
  if (typeof answer.refused !== 'string') return null;
  return { refused: answer.refused, code: isRetried(answer.code) ? answer.code : refusalCode(answer.code) };
}

/** Whether the dialling side tries again: the reason will pass by itself. */
export function isRetried(code: unknown): code is 'unavailable' | 'overloaded' {
  return code === 'unavailable' || code === 'overloaded';
}

/** What an error says to the other side. Unexpected ones say nothing. */
export function refusalOf({ code, message }: PlatformError): LinkAnswer {
  return code === 'internal' ? { refused: 'the node failed to answer', code: 'unavailable' } : { refused: message, code };
}

function refusalCode(code: unknown): ErrorCode {
  return code === 'invalid_request' || code === 'unauthenticated' || code === 'wrong_state' || code === 'already_exists'
    ? code
    : 'forbidden';
}
