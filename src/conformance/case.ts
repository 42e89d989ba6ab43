/** What a case is. */
import type { Group, Level } from './outcome.ts';
import type { Target } from './target.ts';

export interface Case {
  /** C1, B10, X3: the letter is its group. */
  readonly id: `${Group}${number}`;
  readonly level: Level;
  /** What the server must have announced in its metadata to be asked. */
  readonly extension?: string;
  readonly promise: string;
  readonly run: (target: Target) => Promise<void>;
}
