/** Results of evaluations, in the form of SageMaker's model quality reports. */
import { createHash } from 'node:crypto';
import { PlatformError } from '../errors.ts';
import type { ModelVersion, Registry } from '../registry/index.ts';
import type { Database } from '../storage/index.ts';
import { artifactKeyOf, type StoredOutcomes } from './evaluation.ts';
import { EvaluationRows, setKeyOf } from './evaluation-rows.ts';
import { setsMax } from './evaluation-set.ts';
import type { ClassificationQuality, RegressionQuality } from './model-quality.ts';
import { type ModelAnswers, type SetAnswers, StoredAnswers } from './stored-answers.ts';

/** A report, as an object of a bucket. */
export interface QualityReport {
  /** `digits/3/holdout.json`: the model at the time of the evaluation, and the set. */
  readonly key: string;
  readonly content: Buffer;
  readonly sha256: string;
  readonly evaluatedAtMs: number;
}

/** A report as lists show it. */
export type ListedQualityReport = Omit<QualityReport, 'content'> & { readonly bytes: number };

/** Where results are read from. */
export interface QualityReportsOptions {
  readonly db: Database;
  readonly files: Registry['files'];
}

/** Made on demand from stored outcomes. */
export class QualityReports {
  readonly #rows: EvaluationRows;
  readonly #answers: StoredAnswers;
  /** By set, evaluation and artifact. Outcomes never change, and making a report reads all rows of its set. */
  #listed = new Map<string, Promise<ListedQualityReport>>();

  constructor({ db, files }: QualityReportsOptions) {
    this.#rows = new EvaluationRows(db);
    this.#answers = new StoredAnswers({ rows: this.#rows, files });
  }

  /** The key of the newest report about this version's artifact; null if it was not evaluated. */
  async latestKey(version: ModelVersion): Promise<string | null> {
    const [newest] = await this.#rows.outcomesOfArtifact(artifactKeyOf(version));
    if (newest === undefined) return null;
    return keyOf(newest, (await this.#rows.findSet(newest.setKey))?.name ?? newest.setKey);
  }

  /** Each report is made once. Those whose answers cannot be read are left out. */
  async list(): Promise<ListedQualityReport[]> {
    const listed = new Map<string, Promise<ListedQualityReport>>();
    const reports: ListedQualityReport[] = [];
    for (const { name } of await this.#rows.sets({ limit: setsMax, offset: 0 })) {
      for (const outcomes of await this.#rows.allOutcomes(setKeyOf(name))) {
        const id = `${setKeyOf(name)}/${outcomes.evaluation}/${outcomes.artifactKey}`;
        const made = this.#listed.get(id) ?? this.#listedReport(name, outcomes);
        this.#listed.set(id, made);
        try {
          reports.push(await made);
          listed.set(id, made);
        } catch (error) {
          this.#listed.delete(id);
          if (!(error instanceof PlatformError)) throw error;
        }
      }
    }
    this.#listed = listed;
    return reports;
  }

  async #listedReport(setName: string, outcomes: StoredOutcomes): Promise<ListedQualityReport> {
    const { content, ...report } = await this.#report(setName, outcomes);
    return { ...report, bytes: content.length };
  }

  /** Null for an unknown key. */
  async read(key: string): Promise<QualityReport | null> {
    const [, model = '', setName = ''] = /^([^/]+\/[1-9]\d{0,8})\/([a-zA-Z0-9-]+)\.json$/.exec(key) ?? [];
    const set = setName === '' ? null : await this.#rows.findSet(setName);
    if (set === null) return null;
    const outcomes = (await this.#rows.allOutcomes(setKeyOf(set.name))).find((each) => each.model === model);
    return outcomes === undefined || keyOf(outcomes, set.name) !== key ? null : this.#report(set.name, outcomes);
  }

  async #report(setName: string, outcomes: StoredOutcomes): Promise<QualityReport> {
    const { model, quality, artifactKey, evaluatedAtMs } = outcomes;
    const document =
      quality.kind === 'values'
        ? regressionReport(quality)
        : classificationReport(quality, await this.#answers.read(setKeyOf(setName), [{ name: model, artifactKey }]));
    const content = Buffer.from(JSON.stringify(document));
    return { key: keyOf(outcomes, setName), content, sha256: createHash('sha256').update(content).digest('hex'), evaluatedAtMs };
  }
}

function keyOf({ model }: StoredOutcomes, setName: string): string {
  return `${model}/${setName}.json`;
}

function regressionReport({ rmse, mae }: RegressionQuality) {
  return { regression_metrics: { mae: { value: mae }, rmse: { value: rmse }, mse: { value: rmse ** 2 } } };
}

function classificationReport({ accuracy, rows, perClass }: ClassificationQuality, { set, labels, models }: SetAnswers) {
  const weightedF1 = perClass.reduce((sum, each) => sum + each.f1 * each.rows, 0) / rows;
  const [answers] = models as readonly [ModelAnswers];
  return {
    multiclass_classification_metrics: {
      confusion_matrix: confusionMatrix(set.classes ?? [], labels, answers),
      accuracy: { value: accuracy, standard_deviation: Math.sqrt((accuracy * (1 - accuracy)) / rows) },
      weighted_f1: { value: weightedF1 },
    },
  };
}

/** Rows by label, then by answer; answers that never occurred are omitted. Rows without an answer are not counted. */
function confusionMatrix(classes: readonly string[], labels: SetAnswers['labels'], { predictions, stored }: ModelAnswers) {
  const matrix = new Map(classes.map((label) => [label, new Map<string, number>()]));
  for (const [row, label] of labels.entries()) {
    const answer = stored.classes?.[predictions?.[row] ?? -1];
    const counts = matrix.get(classes[label] ?? '');
    if (answer !== undefined && counts !== undefined) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  }
  return Object.fromEntries([...matrix].map(([label, counts]) => [label, Object.fromEntries(counts)]));
}
