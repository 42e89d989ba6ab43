/** What a model version did with the requests that came to it: counted by serving, compared while an update is watched. Pure. */

/** Since the server started, or within a window; each request is one of answered, failed and refused. */
export interface VersionCounts {
  readonly answered: number;
  /** Of those answered, how many later than the objective says. */
  readonly late: number;
  /** By the fault of the model or of the platform: HTTP 5xx. */
  readonly failed: number;
  /** Not taken: HTTP 4xx. */
  readonly refused: number;
  /** Of those refused, how many for want of room, or because the objective could not be kept: HTTP 429. The others were wrong themselves. */
  readonly overloaded: number;
}

/** Of one version of an endpoint. */
export interface CountedVersion {
  /** Such as `digits/3`. */
  readonly model: string;
  readonly counts: VersionCounts;
}

export const nothingCounted: VersionCounts = { answered: 0, late: 0, failed: 0, refused: 0, overloaded: 0 };

export function requestsOf({ answered, failed, refused }: VersionCounts): number {
  return answered + failed + refused;
}

/** What was counted from then on. One that counts anew since, as after a restart, counts from there. */
export function countsSince(now: VersionCounts, then: VersionCounts): VersionCounts {
  if (now.answered < then.answered || now.failed < then.failed || now.refused < then.refused) return now;
  return {
    answered: now.answered - then.answered,
    late: now.late - then.late,
    failed: now.failed - then.failed,
    refused: now.refused - then.refused,
    overloaded: now.overloaded - then.overloaded,
  };
}

/** Of several versions together. */
export function sumOfCounts(all: readonly VersionCounts[]): VersionCounts {
  return all.reduce(
    (sum, each) => ({
      answered: sum.answered + each.answered,
      late: sum.late + each.late,
      failed: sum.failed + each.failed,
      refused: sum.refused + each.refused,
      overloaded: sum.overloaded + each.overloaded,
    }),
    nothingCounted,
  );
}
