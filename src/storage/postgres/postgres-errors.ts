/** Maps errors of PostgreSQL and its connections to platform errors. */
import pg from 'pg';
import { messageOf, PlatformError } from '../../errors.ts';
import { withoutPassword } from './postgres-client.ts';

const retryAfterMs = 2000;

/**
 * The connection broke. If `isUncertain`, a write was sent but not confirmed: the change may or may not be stored. It must not be reported
 * as done, or repeated unless that is harmless.
 */
export class ConnectionLost extends PlatformError {
  readonly isUncertain: boolean;

  constructor(cause: unknown, isUncertain: boolean) {
    const what = isUncertain
      ? 'the connection to the database was lost before it confirmed a change, which may or may not be stored: check the result, then try again'
      : 'the connection to the database was lost: try again';
    super('unavailable', `${what} (${messageOf(cause)})`, { cause, retryAfterMs });
    this.isUncertain = isUncertain;
  }
}

/** Whether a failed change may be stored nevertheless. */
export function isOutcomeUnknown(error: unknown): boolean {
  return error instanceof ConnectionLost && error.isUncertain;
}

/** For a database that cannot be reached. The password of the URL is left out. */
export function cannotConnect(url: string, cause: unknown): PlatformError {
  return new PlatformError(
    'unavailable',
    `cannot connect to PostgreSQL at ${withoutPassword(url)}: ${messageOf(cause)}. Check that it is running and that the database URL is correct`,
    { cause, retryAfterMs },
  );
}

/** SQLSTATE classes and codes that end the session: connection exceptions, shutdown and startup of the database. */
const endsSession = /^(?:08...|57P0[1-5])$/;

/** Whether the connection is unusable, as opposed to a rejected statement. */
export function isConnectionFailure(error: unknown): boolean {
  if (error instanceof pg.DatabaseError) return endsSession.test(error.code ?? '');
  // A value that cannot be serialized is a bug and leaves the connection usable.
  return !(error instanceof TypeError || error instanceof RangeError);
}

const resources = 'it is out of resources (disk, memory or connections)';
const reasons: readonly (readonly [RegExp, string])[] = [
  [/^53100$/, 'its disk is full: free space'],
  [/^53/, resources],
  [/^58/, 'it reports a disk or system error: check its log'],
  [/^25006$/, 'it is read-only (a standby?): check the database URL'],
  [/^57014$/, 'a statement timed out'],
  [/^(?:40001|40P01|55P03)$/, 'a concurrent change conflicted'],
];

/** Maps temporary database failures, after which the statement had no effect, to `unavailable`. Returns any other error unchanged. */
export function postgresFailureOf(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const reason = reasons.find(([code]) => code.test(error.code ?? ''))?.[1];
  if (reason === undefined) return error;
  return new PlatformError('unavailable', `the database is unavailable: ${reason}, then try again (${error.message})`, {
    cause: error,
    retryAfterMs,
  });
}
