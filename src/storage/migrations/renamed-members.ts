/** A step of `migrations.ts`: members of stored JSON documents and kinds of events that were renamed before 0.1.0. */
import { sql } from 'kysely';
import type { AnyDatabase } from './any-database.ts';

/** Table, column, and the text before and after. Each text is specific enough not to occur in values. */
const renamed = [
  ['transforms', 'document', '{"order":{', '{"spec":{'],
  ['decisions', 'inputs', '"wish":', '"query":'],
  ['alarms', 'definition', '"place":{', '"metricKey":{'],
  ['aws_documents', 'content', '"seenMs":', '"observedMs":'],
  ['endpoints', 'rollout', '"takenBack":', '"rolledBack":'],
  ['endpoints', 'version_history', '"takenBack":', '"rolledBack":'],
] as const;

const renamedKinds = [
  ['endpoint.update-begun', 'endpoint.update-started'],
  ['endpoint.update-kept', 'endpoint.update-completed'],
  ['endpoint.update-taken-back', 'endpoint.update-rolled-back'],
  ['endpoint.step-watched', 'endpoint.step-completed'],
  ['server.ended-abruptly', 'server.crashed'],
  ['worker.ended-abruptly', 'worker.crashed'],
  ['budget.spent', 'budget.exhausted'],
  ['budget.renewed', 'budget.reset'],
] as const;

/** Replaces text within stored JSON, so the names must be unambiguous there. */
export async function renameMembers(db: AnyDatabase): Promise<void> {
  for (const [table, column, before, after] of renamed) {
    const name = sql.ref(column);
    const holds = sql`${name} like ${`%${before}%`}`;
    await sql`update ${sql.table(table)} set ${name} = replace(${name}, ${before}, ${after}) where ${holds}`.execute(db);
  }
  for (const [before, after] of renamedKinds) await sql`update events set kind = ${after} where kind = ${before}`.execute(db);
}
