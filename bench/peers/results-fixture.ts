/** Results of one or more rounds for the tests of the tables. */
import type { LoadCell, PeersResults } from './rounds.ts';

export function resultsOf<Cell extends LoadCell>(...rounds: (readonly Cell[])[]): PeersResults<Cell> {
  const head = { at: '2026-01-02T00:00:00Z', commit: 'abc', machine: '2 cores', generator: 'wrk' };
  return { ...head, missing: ['Triton: not available'], rounds };
}
