/**
 * Many small transactions as one, for what comes in crowds. Nobody's thread waits for the disk: those who came meanwhile wait for the
 * next sync of the log together.
 */
import { checkOutside, inHastyTransaction, inTransaction } from './database.ts';
import type { Database, Transaction } from './tables.ts';

interface Sharer {
  readonly run: (tx: Transaction) => Promise<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Who wants the database for something else waits for no more than so many. */
const sharersMax = 16;

/**
 * As `inTransaction`, in one with others that are waiting for the database too. It resolves when what was written is on the disk.
 * Where one of them throws, all are undone, and each is run again in a transaction of its own: `run` may be asked twice.
 */
export function inSharedTransaction<T>(db: Database, run: (tx: Transaction) => Promise<T>): Promise<T> {
  checkOutside(db);
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
      // Whatever else came meanwhile is looked at before the next one, and may join it.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#isRunning = false;
  }

  async #runSome(): Promise<void> {
    let sharers: readonly Sharer[] = [];
    try {
      const { result: results, lasting } = await inHastyTransaction(this.#db, async (tx) => {
        sharers = this.#waiting.splice(0, sharersMax); // only now: more came while it waited for its turn
        const all: unknown[] = [];
        for (const { run } of sharers) all.push(await run(tx));
        return all;
      });
      // The next ones need not wait until these are on the disk.
      void lasting.then(
        () => sharers.forEach(({ resolve }, index) => resolve(results[index])),
        (error: unknown) => sharers.forEach(({ reject }) => reject(error)),
      );
    } catch (error) {
      if (sharers.length > 1) await this.#runEach(sharers);
      else for (const { reject } of sharers.length === 1 ? sharers : this.#waiting.splice(0)) reject(error);
    }
  }

  async #runEach(sharers: readonly Sharer[]): Promise<void> {
    for (const { run, resolve, reject } of sharers) await inTransaction(this.#db, run).then(resolve, reject);
  }
}
