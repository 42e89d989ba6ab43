/** How the cases are sorted, and what can come of one. */

/**
 * `must`: the protocol's own text asks for it. `should`: HTTP or gRPC asks for it, or users were hurt by its absence.
 * `extension`: only who announces or serves the extension is asked.
 */
export type Level = 'must' | 'should' | 'extension';

/** Core and binary data over HTTP, gRPC, extensions. */
export const groups = { C: 'core', B: 'binary data', G: 'gRPC', X: 'extensions' } as const;
export type Group = keyof typeof groups;

/** The case says nothing about this server; the message says why. */
export class Skipped extends Error {}

export type Outcome = 'passed' | 'failed' | 'skipped';

export interface CaseResult {
  readonly id: string;
  readonly group: Group;
  readonly level: Level;
  readonly promise: string;
  readonly outcome: Outcome;
  /** Why it failed or was skipped; empty where it passed. */
  readonly reason: string;
}
