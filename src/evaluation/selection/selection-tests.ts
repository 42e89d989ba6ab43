/**
 * Stores which tests the certificates of an endpoint rest on. Sets that share more than a tenth of their rows are one family: tests on any of
 * them count together, so that a set with a few new rows is not a new proof.
 */
import { PlatformError } from '../../errors.ts';
import { nameKey } from '../../names.ts';
import { type AllottedTest, isSameSet } from '../../selection/index.ts';
import type { Database, Transaction } from '../../storage/index.ts';
import type { EvaluationRows, StoredSet } from '../evaluation-rows.ts';
import { setIdOf } from '../evaluation-set.ts';
import type { StoredAnswers } from '../stored-answers.ts';

/** What was tested before, on the rows of a set and of those that count as the same. */
export interface EarlierTests {
  readonly tests: readonly AllottedTest[];
  /** Of these tests: they are one family from now on. */
  readonly families: readonly string[];
  /** All tests of the endpoint, on other rows too. */
  readonly count: number;
}

/** Where tests are stored, and how sets are compared. */
export interface SelectionTestsOptions {
  readonly db: Database;
  readonly rows: Pick<EvaluationRows, 'findSetOf'>;
  readonly answers: Pick<StoredAnswers, 'fingerprintsOf'>;
}

/** Of an endpoint whose certificates have used no level yet. */
export const nothingTested: EarlierTests = { tests: [], families: [], count: 0 };

/** Of an endpoint. A sensible one has some dozen. */
const testsMax = 10_000;

/** Tests are never deleted while their endpoint exists: a level can be spent once. */
export class SelectionTests {
  readonly #options: SelectionTestsOptions;

  constructor(options: SelectionTestsOptions) {
    this.#options = options;
  }

  /** The tests of an endpoint that were made on the same rows, under whatever name: they share the error probability of a certificate. */
  async earlier(endpoint: string, set: StoredSet): Promise<EarlierTests> {
    const rows = await readTests(this.#options.db, endpoint);
    const familyOf = new Map(rows.map((row) => [row.set_id, row.family]));
    const id = setIdOf(set);
    const families = new Set<string>();
    for (const [other, family] of familyOf) {
      if (!families.has(family) && (other === id || (await this.#isSame(set, other)))) families.add(family);
    }
    return { tests: rows.filter(({ family }) => families.has(family)).map(testOf), families: [...families], count: rows.length };
  }

  /**
   * Stores tests with the change of the endpoint that they justify. Throws `wrong_state` if others were stored since they were planned, or
   * there are too many.
   */
  async add(
    tx: Transaction,
    endpoint: string,
    { families, count }: EarlierTests,
    fresh: readonly AllottedTest[],
    atMs: number,
  ): Promise<void> {
    const [first] = fresh;
    if (first === undefined) return;
    const rows = await readTests(tx, endpoint);
    if (rows.length !== count) {
      throw new PlatformError('wrong_state', `the plans of ${endpoint} were chosen by another call meanwhile: choose again`);
    }
    if (rows.length + fresh.length > testsMax) {
      throw new PlatformError('wrong_state', `the certificates of ${endpoint} rest on ${rows.length} tests already: evaluate on new rows`);
    }
    const key = nameKey(endpoint);
    const family = families[0] ?? first.set;
    if (families.length > 1) {
      await tx.updateTable('selection_tests').set({ family }).where('endpoint_key', '=', key).where('family', 'in', families).execute();
    }
    const values = fresh.map(({ set, first: one, second, floor, delta, level }) => {
      return { endpoint_key: key, set_id: set, family, first_key: one, second_key: second ?? '', floor, delta, level, at: atMs };
    });
    await tx.insertInto('selection_tests').values(values).execute();
  }

  /** A set that was deleted, or that has no fingerprints, may have the same rows: it counts as the same. */
  async #isSame(set: StoredSet, other: string): Promise<boolean> {
    const { rows, answers } = this.#options;
    const space = other.indexOf(' ');
    const earlier = await rows.findSetOf(other.slice(0, space), other.slice(space + 1));
    if (earlier === null) return true;
    const [own, known] = [await answers.fingerprintsOf(set), await answers.fingerprintsOf(earlier)];
    return own === null || known === null || isSameSet(own, known);
  }
}

function readTests(db: Database | Transaction, endpoint: string) {
  return db.selectFrom('selection_tests').selectAll().where('endpoint_key', '=', nameKey(endpoint)).execute();
}

type TestRow = Awaited<ReturnType<typeof readTests>>[number];

function testOf({ set_id: set, first_key: first, second_key: second, floor, delta, level }: TestRow): AllottedTest {
  return { set, first, second: second === '' ? null : second, floor, delta, level };
}
