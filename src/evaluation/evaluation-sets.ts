/** Evaluation sets: uploaded once, never changed, shared by evaluations. */
import type { Clock } from '../clock.ts';
import { PlatformError } from '../errors.ts';
import { checkName } from '../objective.ts';
import type { Audit } from '../records/index.ts';
import type { Registry } from '../registry/index.ts';
import { isOutcomeUnknown } from '../storage/index.ts';
import type { Threads } from '../threads/index.ts';
import { type EvaluationPage, type EvaluationRows, type StoredSet, setKeyOf } from './evaluation-rows.ts';
import { checkSameSet, type SetDescription, type SetView, setBytesMax, setsMax } from './evaluation-set.ts';
import { labelsTask } from './read-labels.ts';
import { withinSetLimits } from './set-limits.ts';

/** Where sets are stored, and what protects one in use from deletion. */
export interface EvaluationSetsOptions {
  readonly rows: EvaluationRows;
  readonly files: Registry['files'];
  readonly threads: Threads;
  readonly clock: Clock;
  readonly audit: Pick<Audit, 'record'>;
  /** Whether an evaluation of the set is in progress. */
  readonly isInUse: (setKey: string) => boolean;
}

/** A set to be uploaded. */
export interface NewSet extends SetDescription {
  readonly name: string;
  readonly source: AsyncIterable<Uint8Array>;
}

const labelsWork = { name: 'reading the labels', hint: 'use a smaller set' };

/** Labels are read at the upload, so a set that cannot be used is rejected there. */
export class EvaluationSets {
  readonly #options: EvaluationSetsOptions;

  constructor(options: EvaluationSetsOptions) {
    this.#options = options;
  }

  async list(page: EvaluationPage): Promise<SetView[]> {
    return this.#viewsOf(await this.#options.rows.sets(page));
  }

  /** Throws `not_found`. */
  async get(name: string): Promise<SetView> {
    const [view] = await this.#viewsOf([await this.stored(name)]);
    return view as SetView;
  }

  /** Throws `not_found`. */
  async stored(name: string): Promise<StoredSet> {
    const set = await this.#options.rows.findSet(name);
    if (set !== null) return set;
    throw new PlatformError('not_found', `there is no evaluation set '${name.slice(0, 80)}'`, {
      hint: '`penstock evaluate --list-sets` lists them',
    });
  }

  /**
   * Stores a set, or returns the one of this name and content. Throws `invalid_request` for an invalid file, `too_large`,
   * `already_exists` if the name has other content.
   */
  async put({ name, source, ...description }: NewSet, who: string): Promise<SetView> {
    checkName('evaluation set', name);
    const { rows, files, clock, audit } = this.#options;
    const held = files.hold();
    let mayBeNeeded = false;
    try {
      const { sha256, bytes } = await held.store(withinSetLimits(source, description.format), setBytesMax).catch(tooLarge);
      const known = await rows.findSet(name);
      if (known !== null) {
        checkSameSet(known, { ...description, sha256 });
        return await this.get(name);
      }
      if ((await rows.countSets()) >= setsMax) throw tooMany();
      const read = await this.#options.threads.run(
        labelsTask,
        { ...description, path: await held.fetch(sha256) },
        { bytes, work: labelsWork, lane: 'files' },
      );
      const { sha256: labelsSha256 } = await held.store(read.labels, setBytesMax);
      const { sha256: fingerprints } = await held.store(read.fingerprints, setBytesMax);
      const facts = { rows: read.rows, classes: read.classes, fingerprints, createdBy: who, createdAtMs: clock.wallMs() };
      const added = await rows.addSet({ name, sha256, bytes, labelsSha256, ...description, ...facts }, (tx) =>
        audit.record(tx, { who, action: 'CreateEvaluationSet', target: name, outcome: 'ok', detail: { sha256, rows: read.rows } }),
      );
      if (!added) checkSameSet(await this.stored(name), { ...description, sha256 });
      return await this.get(name);
    } catch (error) {
      mayBeNeeded = isOutcomeUnknown(error);
      throw error;
    } finally {
      await held.release({ mayBeNeeded });
    }
  }

  /** Deletes the set with its evaluations. Throws `not_found`, `wrong_state`. */
  async remove(name: string, who: string): Promise<void> {
    const { rows, files, audit, isInUse } = this.#options;
    const set = await this.stored(name);
    const key = setKeyOf(name);
    if (isInUse(key)) throw new PlatformError('wrong_state', `evaluation set ${set.name} is in use: stop its evaluation first`);
    const sha256s = await rows.removeSet(key, (tx) =>
      audit.record(tx, { who, action: 'DeleteEvaluationSet', target: set.name, outcome: 'ok', detail: {} }),
    );
    for (const sha256 of sha256s) await files.discard(sha256);
  }

  async #viewsOf(sets: readonly StoredSet[]): Promise<SetView[]> {
    const { rows } = this.#options;
    const keys = sets.map(({ name }) => setKeyOf(name));
    const [uses, choices] = [await rows.usesOf(keys), await rows.choicesOf(keys)];
    return sets.map((set) => {
      const key = setKeyOf(set.name);
      return { ...set, models: uses.get(key) ?? 0, choices: choices.get(key) ?? 0 };
    });
  }
}

/** The store does not know what it stores. */
function tooLarge(error: unknown): never {
  if (!(error instanceof PlatformError) || error.code !== 'too_large') throw error;
  const text = `the evaluation set is too large: expected at most ${setBytesMax / 2 ** 20} MiB, got more. Use a sample of its rows`;
  throw new PlatformError('too_large', text, { cause: error });
}

function tooMany(): PlatformError {
  return new PlatformError('wrong_state', `there are ${setsMax} evaluation sets, which is the limit: delete one first`);
}
