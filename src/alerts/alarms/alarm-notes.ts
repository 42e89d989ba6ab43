/** Writes the history of alarms, in the transaction of the change it records. */
import type { Database, Transaction } from '../../storage/index.ts';
import type { AlarmNote } from './alarm.ts';

const summaryMax = 255;

/** Cuts the summary off at its limit; `data` is stored whole. */
export async function writeNote(tx: Transaction | Database, { alarm, atMs, kind, summary, data }: AlarmNote): Promise<void> {
  await tx
    .insertInto('alarm_history')
    .values({ alarm, at: atMs, kind, summary: summary.slice(0, summaryMax), data: JSON.stringify(data) })
    .execute();
}

/** Result of an alarm action. */
export interface ActionEnd {
  readonly alarm: string;
  /** As configured in the alarm. */
  readonly action: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  /** Why the action failed; null if it succeeded. */
  readonly error: string | null;
}

/** The result of an action, in the words of CloudWatch. */
export async function noteAction(tx: Transaction | Database, { alarm, action, atMs, error }: ActionEnd): Promise<void> {
  const summary = error === null ? `Successfully executed action ${action}` : `Failed to execute action ${action}: ${error}`;
  const data = error === null ? { action } : { action, error };
  await writeNote(tx, { alarm, atMs, kind: 'Action', summary, data });
}
