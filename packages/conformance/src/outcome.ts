/** Levels, groups and outcomes of cases. */

/**
 * `must`: the text of the protocol requires it. `should`: HTTP or gRPC requires it, or its absence has hurt users. `extension`: applies
 * only to servers that announce or serve the extension.
 */
export type Level = 'must' | 'should' | 'extension';

/** Core and binary data over HTTP, gRPC, and extensions. */
export const groups = { C: 'core', B: 'binary data', G: 'gRPC', X: 'extensions' } as const;
export type Group = keyof typeof groups;

/** The case does not apply to this server; the message says why. */
export class Skipped extends Error {}

export type CaseOutcome = 'passed' | 'failed' | 'skipped';

export interface CaseResult {
  readonly id: string;
  readonly group: Group;
  readonly level: Level;
  readonly promise: string;
  readonly outcome: CaseOutcome;
  /** Why it failed or was skipped; empty if it passed. */
  readonly reason: string;
}
