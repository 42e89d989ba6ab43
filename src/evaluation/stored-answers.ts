/** Reads the stored outcomes of a set, row by row. */
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { PlatformError } from '../errors.ts';
import type { ModelVersion, Registry } from '../registry/index.ts';
import { artifactKeyOf, type StoredOutcomes } from './evaluation.ts';
import { type EvaluationRows, type StoredSet, setKeyOf } from './evaluation-rows.ts';
import { decodeLabels, decodeOutcomes, type RowOutcomes } from './outcomes.ts';

/** The stored outcomes of one model. */
export interface ModelAnswers extends RowOutcomes {
  /** `digits/3` */
  readonly name: string;
  readonly stored: StoredOutcomes;
  /** As stored. */
  readonly bytes: Uint8Array;
}

/** The outcomes of several models on the same rows, with the labels. */
export interface SetAnswers {
  readonly set: StoredSet;
  /** Class numbers, or values. */
  readonly labels: Int32Array | Float64Array;
  readonly models: readonly ModelAnswers[];
}

interface StoredAnswersOptions {
  readonly rows: EvaluationRows;
  readonly files: Registry['files'];
}

/** Reads from the object store at each call: outcomes of the largest set are a few megabytes. */
export class StoredAnswers {
  readonly #options: StoredAnswersOptions;

  constructor(options: StoredAnswersOptions) {
    this.#options = options;
  }

  /** In the order of `models`. Throws `not_found` for a set, or a model that did not answer it. */
  async read(setName: string, models: readonly { readonly name: string; readonly artifactKey: string }[]): Promise<SetAnswers> {
    const { rows } = this.#options;
    const set = await rows.findSet(setName);
    if (set === null) throw new PlatformError('not_found', `there is no evaluation set '${setName.slice(0, 80)}'`);
    const isClass = set.classes !== null;
    const known = await rows.outcomesOfSet(
      setKeyOf(setName),
      models.map(({ artifactKey }) => artifactKey),
    );
    const answers: ModelAnswers[] = [];
    for (const { name, artifactKey } of models) {
      const stored = known.get(artifactKey);
      if (stored === undefined) {
        throw new PlatformError('not_found', `${name} was not evaluated on ${set.name}`, {
          hint: `run \`penstock evaluate ${name} --set ${set.name}\``,
        });
      }
      const bytes = await this.#read(stored.sha256);
      answers.push({ name, stored, bytes, ...decodeOutcomes(bytes, set.rows, isClass) });
    }
    return { set, labels: decodeLabels(await this.#read(set.labelsSha256), isClass), models: answers };
  }

  /** The names of those versions that answered a set; none if there is no such set. */
  async answered(setName: string, versions: readonly ModelVersion[]): Promise<ReadonlySet<string>> {
    const keys = new Map(versions.map((version) => [version.name, artifactKeyOf(version)]));
    const known = await this.#options.rows.outcomesOfSet(setKeyOf(setName), [...new Set(keys.values())]);
    return new Set([...keys].flatMap(([name, key]) => (known.has(key) ? [name] : [])));
  }

  /** Fingerprints of a set's rows, ascending; null for a set without them. */
  async fingerprintsOf({ fingerprints }: Pick<StoredSet, 'fingerprints'>): Promise<Float64Array | null> {
    return fingerprints === null ? null : (decodeLabels(await this.#read(fingerprints), false) as Float64Array);
  }

  /** Counts a choice of plans by the set. Equal questions count once. */
  async countChoice(setName: string, question: unknown): Promise<void> {
    await this.#options.rows.addChoice(setKeyOf(setName), hash('sha256', JSON.stringify(question)));
  }

  async #read(sha256: string): Promise<Uint8Array> {
    try {
      return await readFile(await this.#options.files.fetch(sha256));
    } catch (cause) {
      throw new PlatformError('unavailable', 'the stored answers of an evaluation could not be read: evaluate again on a new set', {
        cause,
      });
    }
  }
}
