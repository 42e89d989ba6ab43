/** A conformance case. */

import type { Target } from './client/target.ts';
import type { Group, Level } from './outcome.ts';

/** One promise of the protocol and how it is checked. `run` throws if the server breaks it. */
export interface Case {
  /** C1, B10, X3: the letter names the group. */
  readonly id: `${Group}${number}`;
  readonly level: Level;
  /** The case is skipped unless the server's metadata lists this extension. */
  readonly extension?: string;
  readonly promise: string;
  readonly run: (target: Target) => Promise<void>;
}
