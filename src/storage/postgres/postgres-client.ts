/** Configuration and names of connections to PostgreSQL. */
import pg from 'pg';

const bigintOid = 20;

/** PostgreSQL shows these names in `pg_stat_activity`. */
export const lockApplicationName = 'penstock lock';
/** Begins the application name of the connection by which a node of a cluster holds the lock. */
export const nodeLockPrefix = 'penstock lock of node';
/** Begins the application name of a server's connections, by which the next holder of the lock finds those left behind. */
export const serverPrefix = 'penstock server';

/** Carries the server's session id, so that the next holder of the lock can find and close connections left behind. */
export function serverApplicationName(session?: string): string {
  return session === undefined ? 'penstock' : `${serverPrefix} ${session}`;
}

/** Shared by the pool and the connection that holds the lock. */
export function clientConfig(url: string, applicationName: string): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: applicationName,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: {
      // Times and counters stay far below 2^53, but pg returns bigint as text by default.
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === bigintOid ? (text: string) => Number(text) : (pg.types.getTypeParser(oid, format) as (text: string) => unknown),
    },
  };
}

/** The URL for messages, without its password. */
export function withoutPassword(url: string): string {
  try {
    const { protocol, username, host, pathname } = new URL(url);
    return `${protocol}//${username === '' ? '' : `${username}@`}${host}${pathname}`;
  } catch {
    return 'the configured URL';
  }
}
