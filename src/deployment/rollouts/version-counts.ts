/** The request counts of a model version: counted by serving, compared while an update is monitored. Pure. */

/** Since the server started, or within a window; each request is either answered, failed or refused. */
export interface VersionCounts {
  readonly answered: number;
  /** The answered requests that were later than the objective. */
  readonly late: number;
  /** Caused by the model or the platform: HTTP 5xx. */
  readonly failed: number;
  /** Rejected: HTTP 4xx. */
  readonly refused: number;
  /** Refused because of overload or because the objective could not be met: HTTP 429. The others were invalid. */
  readonly overloaded: number;
}

/** The counts of one version of an endpoint. */
export interface CountedVersion {
  /** Such as `digits/3`. */
  readonly model: string;
  readonly counts: VersionCounts;
}

/** For a version that has served nothing yet. Shared, so never modify it. */
export const zeroCounts: VersionCounts = { answered: 0, late: 0, failed: 0, refused: 0, overloaded: 0 };

/** The number of all requests, regardless of outcome. */
export function requestsOf({ answered, failed, refused }: VersionCounts): number {
  return answered + failed + refused;
}

/** The counts since `before`. Counters that were reset since, such as by a restart, count from the reset. */
export function countsDifference(now: VersionCounts, then: VersionCounts): VersionCounts {
  if (now.answered < then.answered || now.failed < then.failed || now.refused < then.refused) return now;
  return {
    answered: now.answered - then.answered,
    late: now.late - then.late,
    failed: now.failed - then.failed,
    refused: now.refused - then.refused,
    overloaded: now.overloaded - then.overloaded,
  };
}

/** The sum over several versions. */
export function sumOfCounts(all: readonly VersionCounts[]): VersionCounts {
  return all.reduce(
    (sum, each) => ({
      answered: sum.answered + each.answered,
      late: sum.late + each.late,
      failed: sum.failed + each.failed,
      refused: sum.refused + each.refused,
      overloaded: sum.overloaded + each.overloaded,
    }),
    zeroCounts,
  );
}
