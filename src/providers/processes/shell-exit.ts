/** How a process ended, as its shell reports it. */
import { constants } from 'node:os';

/** The code is null after a signal; both are null while the process runs. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: string | null;
}

/** A shell reports a child killed by a signal as 128 plus the signal's number. */
export function shellExit(code: number | null, signal: string | null): ProcessExit {
  const killedBy = code === null || code <= 128 ? undefined : Object.entries(constants.signals).find(([, number]) => number === code - 128);
  return killedBy === undefined ? { code, signal } : { code: null, signal: killedBy[0] };
}
