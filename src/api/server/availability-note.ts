/** What an operator should know while the database is away. Pure. */
import type { Availability } from '../../storage/index.ts';

/** None while it is available. What is shown meanwhile comes from the memory of the server. */
export function availabilityNotes({ problem, sinceMs }: Pick<Availability, 'problem' | 'sinceMs'>): string[] {
  if (problem === null) return [];
  const since = sinceMs === null ? 'now' : `${new Date(sinceMs).toISOString().slice(0, 19).replace('T', ' ')} (UTC)`;
  const cause = problem.replace(/^the database is unavailable: /, '');
  return [
    `the database has not answered since ${since}: inference goes on, changes are rejected, and figures of the past are missing (${cause})`,
  ];
}
