/** Which workers had no request for a while, by the runs of their links. Pure: its caller says when it looks. */
import type { ServingLink } from '../runtime/index.ts';

/** A worker, and how many runs and invocations its link has had. */
export interface ObservedRuns {
  readonly id: string;
  readonly link: ServingLink | null;
}

interface Observation {
  readonly link: ServingLink | null;
  readonly runs: number;
  /** Nothing has run since. */
  readonly sinceMs: number;
}

export class IdleWorkers {
  readonly #idleMs: number;
  #observed = new Map<string, Observation>();

  /** `idleMs`: without a run for so long, a worker is idle. */
  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  /** Looks at all workers, and returns the idle ones. A worker that is seen for the first time, or has another link, is not idle yet. */
  observe(workers: Iterable<ObservedRuns>, nowMs: number): ReadonlySet<string> {
    const observed = new Map<string, Observation>();
    const idle = new Set<string>();
    for (const { id, link } of workers) {
      const before = this.#observed.get(id);
      const runs = link?.runsSent ?? 0;
      const isSame = before !== undefined && link !== null && before.link === link && before.runs === runs && link.runsOpen === 0;
      const sinceMs = isSame ? before.sinceMs : nowMs;
      observed.set(id, { link, runs, sinceMs });
      if (isSame && nowMs - sinceMs >= this.#idleMs) idle.add(id);
    }
    this.#observed = observed;
    return idle;
  }
}
