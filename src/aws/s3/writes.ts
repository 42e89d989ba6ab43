/** Writing under a key, where others may write under it at the same time. */
import { type Database, inSharedTransaction, isForeignKeyViolation, isUniqueViolation, type Transaction } from '../../storage/index.ts';
import { refusal } from './s3-errors.ts';

/** How often a write begins anew because another one of the same key came between. */
const attemptsMax = 20;

/**
 * Runs the transaction, again where another writer of the same key came first: the last one wins. Throws
 * `NoSuchBucket` where the bucket is gone, `OperationAborted` where others keep coming first.
 */
export async function write<T>(db: Database, run: (tx: Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await inSharedTransaction(db, run);
    } catch (error) {
      if (isForeignKeyViolation(error)) throw refusal('NoSuchBucket');
      if (!isUniqueViolation(error)) throw error;
      if (attempt === attemptsMax) throw refusal('OperationAborted');
    }
  }
}
