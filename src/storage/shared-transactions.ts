/** Group commit: runs many small concurrent transactions as one, so that they share a single sync of the log, off the serving thread. */
import { inDeferredTransaction, inTransaction, requireNoTransaction } from './database.ts';
import { isOutcomeUnknown } from './postgres/postgres-errors.ts';
import type { Database, Transaction } from './tables.ts';

interface Sharer {
  readonly run: (tx: Transaction) => Promise<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Bounds how long other users of the database wait for a shared transaction. */
const sharersMax = 16;

/**
 * Like `inTransaction`, but shares a transaction with other waiting callers. Resolves when the data is on disk. If one caller throws, the
 * shared transaction is rolled back and each caller runs in its own transaction, so `run` may be called twice.
 */
export function inSharedTransaction<T>(db: Database, run: (tx: Transaction) => Promise<T>): Promise<T> {
  requireNoTransaction(db);
  let shared = ofDatabase.get(db);
  if (shared === undefined) ofDatabase.set(db, (shared = new SharedTransactions(db)));
  return shared.add(run);
}

const ofDatabase = new WeakMap<Database, SharedTransactions>();

class SharedTransactions {
  readonly #db: Database;
  #waiting: Sharer[] = [];
  #isRunning = false;

  constructor(db: Database) {
    this.#db = db;
  }

  add<T>(run: (tx: Transaction) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ run, resolve: resolve as Sharer['resolve'], reject });
      void this.#runAll();
    });
  }

  async #runAll(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      await this.#runSome();
      // Let pending I/O add callers to the next transaction.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#isRunning = false;
  }

  async #runSome(): Promise<void> {
    let sharers: readonly Sharer[] = [];
    try {
      const { result: results, durable } = await inDeferredTransaction(this.#db, async (tx) => {
        sharers = this.#waiting.splice(0, sharersMax); // Collected only now: more callers may have arrived in the meantime.
        const all: unknown[] = [];
        for (const { run } of sharers) all.push(await run(tx));
        return all;
      });
      // The next transaction need not wait until this one is on disk.
      void durable.then(
        () => sharers.forEach(({ resolve }, index) => resolve(results[index])),
        (error: unknown) => sharers.forEach(({ reject }) => reject(error)),
      );
    } catch (error) {
      // A change that may be stored must not be repeated.
      if (sharers.length > 1 && !isOutcomeUnknown(error)) await this.#runEach(sharers);
      else for (const { reject } of sharers.length > 0 ? sharers : this.#waiting.splice(0)) reject(error);
    }
  }

  async #runEach(sharers: readonly Sharer[]): Promise<void> {
    for (const { run, resolve, reject } of sharers) await inTransaction(this.#db, run).then(resolve, reject);
  }
}
