/** Writes a key that other writers may change concurrently. */
import { type Database, inSharedTransaction, isForeignKeyViolation, isUniqueViolation, type Transaction } from '../../../storage/index.ts';
import { s3Error } from '../s3-errors.ts';

/** How often a write is retried after a conflict with another writer of the same key. */
const attemptsMax = 20;

/**
 * Runs the transaction, and retries it if another writer of the same key won the race: the last one wins. Throws `NoSuchBucket` if the
 * bucket was deleted, or `OperationAborted` after too many conflicts.
 */
export async function write<T>(db: Database, run: (tx: Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inSharedTransaction(db, run);
    } catch (error) {
      if (isForeignKeyViolation(error)) throw s3Error('NoSuchBucket');
      if (!isUniqueViolation(error)) throw error;
      if (attempt === attemptsMax) throw s3Error('OperationAborted');
    }
  }
}
