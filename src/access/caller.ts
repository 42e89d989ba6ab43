/** Who calls, once that is known. */
import type { Role } from './roles.ts';

export interface Caller {
  /** The id of the key; `anonymous` without one. */
  readonly keyId: string;
  readonly role: Role;
  /** Of a browser that has signed in. */
  readonly session?: SessionFacts;
}

/** What the caller of a session may be told of it. */
export interface SessionFacts {
  /** Comes with each call that changes something: a page of somebody else's cannot know it. */
  readonly csrfToken: string;
  /** Epoch milliseconds. */
  readonly expiresAtMs: number;
}
