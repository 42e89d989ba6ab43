/** The authenticated caller of a request. */
import type { KeyLimiter } from './key-limits.ts';
import type { Role } from './roles.ts';

/** Who called. Handlers get it from the API layer, and never read credentials themselves. */
export interface Caller {
  /** The id of the key; `anonymous` without one. */
  readonly keyId: string;
  readonly role: Role;
  /** For a key with limits: each request must call `begin`. */
  readonly limiter?: KeyLimiter;
  /** For a signed-in browser. */
  readonly session?: SessionFacts;
  /** For temporary credentials: the role that they were issued for. It changes no permission, but a job has fewer. */
  readonly assumed?: AssumedRole;
}

/** A role in AWS's sense, which is only a name here: the permissions are those of the key. */
export interface AssumedRole {
  /** Without its path. */
  readonly role: string;
  readonly session: string;
  /** Epoch milliseconds. */
  readonly expiresAtMs: number;
  /** The training job that they were issued to: its code may use buckets, report metrics and invoke endpoints, and nothing else. */
  readonly job?: string;
}

/** Session data that may be sent to its browser. */
export interface SessionFacts {
  /** Required with each mutating call: a page of another origin cannot know it. */
  readonly csrfToken: string;
  /** Epoch milliseconds. */
  readonly expiresAtMs: number;
}
