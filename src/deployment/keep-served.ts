/** What has all requests now is written down as what one may go back to. */
import { type Database, inTransaction } from '../storage/index.ts';
import { lockRow, updateHistory } from './endpoint-rows.ts';
import { isUnderWay } from './rollout.ts';
import { type VersionHistory, withKept } from './version-history.ts';

/** Answers the history as it is now; null where nothing was new, or something else is wanted meanwhile. */
export function keepServed(db: Database, name: string, generation: number): Promise<VersionHistory | null> {
  return inTransaction(db, async (tx) => {
    const stored = await lockRow(tx, name);
    if (stored?.generation !== generation || isUnderWay(stored.rollout)) return null;
    const history = withKept(stored.history, stored.config.variants);
    if (history === stored.history) return null;
    await updateHistory(tx, { ...stored, history });
    return history;
  });
}
