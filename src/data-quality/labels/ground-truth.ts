/**
 * Stores predictions by inference id for a week, at most 100,000 calls per endpoint. Labels that arrive later are joined to them and give
 * live accuracy or error. The labels are stored for 90 days, at most 1,000,000 calls per endpoint. Predictions are written every ten seconds, off the request path: a kill loses no more.
 */

import type { Clock } from '../../clock.ts';
import type { MetricStore } from '../../metrics/index.ts';
import { penstockNamespace, variantMetricKey } from '../../metrics/index.ts';
import { nameKey } from '../../names.ts';
import { type Database, inTransaction } from '../../storage/index.ts';
import { type CallLabels, clearLabels, readCallLabels, storeLabels } from './label-rows.ts';
import {
  addShadowPredictions,
  clearPredicted,
  type DiscordantPairs,
  insertPredicted,
  type LabelledAnswers,
  type LiveQuality,
  readDiscordant,
  readLabelled,
  readPredicted,
  readQuality,
  type ShadowPrediction,
  type StoredPrediction,
} from './prediction-rows.ts';
import type { LabelInput } from './read-labels.ts';
import { type Label, pairsOf, scoreOf } from './score.ts';
import { type CallToLabel, readToLabel } from './to-label.ts';

/** The outcome of posted labels. Unknown and mismatched ones are discarded. */
export interface AcceptedLabels {
  readonly matched: number;
  /** Ids without a stored prediction. */
  readonly unknown: readonly string[];
  /** Ids whose labels do not match in number or kind. */
  readonly mismatched: readonly string[];
}

/** Calls of an endpoint whose predictions were dropped: labels for them will not match. */
export interface PredictionsDropped {
  readonly endpoint: string;
  readonly calls: number;
  /** The limit that was exceeded, such as `1000 rows per call`. */
  readonly limit: string;
}

export interface GroundTruthOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly store: Pick<MetricStore, 'add'>;
  readonly endpoints: () => readonly string[];
  readonly onDropped: (dropped: PredictionsDropped) => void;
  readonly onFailure: (error: unknown) => void;
}

const everyMs = 10_000;
/** Calls per round; further calls are dropped, and labels for them will not match. */
const waitingMax = 5000;
/** Calls with more rows are bulk calls, whose rows are not labelled individually. */
const rowsMax = 1000;
/** Calls written before yielding to the event loop. */
const insertedAtOnce = 100;
/** Labels joined before yielding: each is compared, and measured. */
const labelsAtOnce = 5000;
const clearEveryMs = 600_000;

/** Predictions are gathered in memory and written together; a kill loses those of the last moments. */
export class GroundTruth {
  readonly #options: GroundTruthOptions;
  #waiting = new Map<string, StoredPrediction>();
  /** Stored after the predictions that they belong to. */
  #shadows: ShadowPrediction[] = [];
  /** By endpoint and limit. */
  readonly #dropped = new Map<string, PredictionsDropped>();
  readonly #qualities = new Map<string, { readonly quality: Promise<LiveQuality>; readonly atMs: number }>();
  #clearedAtMs = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: (() => void) | null = null;

  constructor(options: GroundTruthOptions) {
    this.#options = options;
  }

  /** Adds a prediction in negligible time. */
  add(predicted: StoredPrediction): void {
    this.#flushLater();
    if (predicted.values.length === 0) return; // nothing to label
    if (predicted.values.length > rowsMax) return this.#drop(predicted, `${rowsMax} rows per call`);
    if (this.#waiting.size >= waitingMax) return this.#drop(predicted, `${waitingMax} calls of all endpoints per ${everyMs / 1000} s`);
    this.#waiting.set(`${nameKey(predicted.endpoint)}/${predicted.inferenceId}`, predicted);
  }

  /** Adds the answer of another plan of a selection to a call; labels of the call apply to both. Ignored without a stored prediction of the call. */
  addShadow(shadow: ShadowPrediction): void {
    if (this.#shadows.length >= waitingMax) return;
    this.#flushLater();
    this.#shadows.push(shadow);
  }

  #flushLater(): void {
    this.#cancelTimer ??= this.#options.clock.after(everyMs, () => {
      this.#cancelTimer = null;
      this.flush().catch(this.#options.onFailure);
    });
  }

  #drop({ endpoint }: StoredPrediction, limit: string): void {
    const key = `${nameKey(endpoint)}/${limit}`;
    this.#dropped.set(key, { endpoint, limit, calls: (this.#dropped.get(key)?.calls ?? 0) + 1 });
  }

  flush(): Promise<void> {
    const done = this.#turn.then(() => this.#write());
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async close(): Promise<void> {
    this.#cancelTimer?.();
    await this.flush().catch(this.#options.onFailure);
  }

  /**
   * Joins labels to predictions. A repeated label replaces the first and is not measured again. `isTrusted`: the caller may deploy, so its
   * labels may also end a hold. Labels of other callers can only start one, and do not replace trusted labels.
   */
  async label(endpoint: string, provided: readonly LabelInput[], isTrusted = false): Promise<AcceptedLabels> {
    await this.flush();
    const key = nameKey(endpoint);
    let matched = 0;
    const unknown: string[] = [];
    const mismatched: string[] = [];
    for (const together of partsOf(provided)) {
      const part = new Map(together.map((each) => [each.inferenceId, each.labels]));
      await inTransaction(this.#options.db, async (tx) => {
        const rows = await tx
          .selectFrom('observed_predictions')
          .selectAll()
          .where('endpoint_key', '=', key)
          .where('inference_id', 'in', [...part.keys()])
          .execute();
        const found = new Map(rows.map((row) => [row.inference_id, row]));
        const accepted: CallLabels[] = [];
        for (const [id, labels] of part) {
          const row = found.get(id);
          const { kind, values } = JSON.parse(row?.predictions ?? '{"kind":"class","values":[]}') as Pick<
            StoredPrediction,
            'kind' | 'values'
          >;
          const score = row === undefined ? null : scoreOf({ kind, values }, labels);
          if (row === undefined) unknown.push(id);
          else if (score === null) mismatched.push(id);
          else if (!isTrusted && Number(row.label_trusted) === 1) matched++;
          else {
            const shadow = valuesIn(row.shadow_predictions);
            const pairs = shadow === null || kind !== 'class' ? null : pairsOf(shadow, valuesIn(row.shadow_against) ?? values, labels);
            const change = {
              labelled_at: this.#options.clock.wallMs(),
              hits: score.hits,
              error_sum: score.errorSum,
              shadow_hits: shadow === null ? null : (scoreOf({ kind: 'class', values: shadow }, labels)?.hits ?? null),
              shadow_better: pairs?.better ?? null,
              shadow_worse: pairs?.worse ?? null,
              label_trusted: isTrusted ? (1 as const) : (0 as const),
            };
            await tx
              .updateTable('observed_predictions')
              .set(change)
              .where('endpoint_key', '=', key)
              .where('inference_id', '=', id)
              .execute();
            accepted.push({ inferenceId: id, calledAtMs: Number(row.at), labels });
            matched++;
            if (row.labelled_at === null) this.#measure(endpoint, row.variant, kind, values, labels);
          }
        }
        await storeLabels(tx, endpoint, accepted);
      });
      this.#qualities.delete(key);
      await this.#yield();
    }
    return { matched, unknown, mismatched };
  }

  /** The stored labels of calls, for ids that have any. */
  labelsOf(endpoint: string, ids: readonly string[]): Promise<CallLabels[]> {
    return readCallLabels(this.#options.db, endpoint, ids);
  }

  /** Over all stored predictions. Read once per change of them, because reading 100,000 calls holds the event loop. */
  quality(endpoint: string): Promise<LiveQuality> {
    const key = nameKey(endpoint);
    const nowMs = this.#options.clock.nowMs();
    const known = this.#qualities.get(key);
    // The endpoint may have been deleted, and created again.
    if (known !== undefined && nowMs - known.atMs < everyMs) return known.quality;
    // Those of deleted endpoints too, whose names are never asked for again.
    for (const [other, { atMs }] of this.#qualities) if (nowMs - atMs >= everyMs) this.#qualities.delete(other);
    const quality = readQuality(this.#options.db, endpoint);
    this.#qualities.set(key, { quality, atMs: nowMs });
    quality.catch(() => this.#qualities.delete(key));
    return quality;
  }

  /** Rows of a variant that were answered since a time and have labels of classes. */
  async labelledSince(endpoint: string, variant: string, sinceMs: number): Promise<LabelledAnswers> {
    await this.flush();
    return readLabelled(this.#options.db, { endpoint, variant, sinceMs });
  }

  /** Rows on which only one of a challenger and its incumbent is right, of calls answered since this time. */
  async discordantSince(endpoint: string, variant: string, plan: string, sinceMs: number): Promise<DiscordantPairs> {
    await this.flush();
    return readDiscordant(this.#options.db, { endpoint, variant, plan, sinceMs });
  }

  /** Calls that are worth a label, at most `limit`: on which plans disagree, or that were answered with the least certainty. */
  async toLabel(endpoint: string, limit: number): Promise<readonly CallToLabel[]> {
    await this.flush();
    return readToLabel(this.#options.db, endpoint, limit);
  }

  /** Predictions within a time span, at most 10,000 calls. */
  async predictionsWithin(endpoint: string, fromMs: number, toMs: number): Promise<(number | string)[]> {
    await this.flush();
    return readPredicted(this.#options.db, endpoint, { fromMs, toMs });
  }

  #measure(
    endpoint: string,
    variant: string,
    kind: StoredPrediction['kind'],
    values: StoredPrediction['values'],
    labels: readonly Label[],
  ): void {
    const metricKey = variantMetricKey(penstockNamespace, endpoint, variant);
    const metric = kind === 'class' ? { name: 'Accuracy', unit: 'None' } : { name: 'AbsoluteError', unit: 'None' };
    for (const [row, value] of values.entries()) {
      const score = scoreOf({ kind, values: [value] }, [labels[row] as Label]);
      this.#options.store.add(metricKey, metric, score?.hits ?? score?.errorSum ?? 0);
    }
  }

  async #write(): Promise<void> {
    const all = [...this.#waiting.values()];
    this.#waiting = new Map();
    for (const dropped of this.#dropped.values()) this.#options.onDropped(dropped);
    this.#dropped.clear();
    const existing = new Set(this.#options.endpoints().map((name) => name.toLowerCase()));
    const retained = all.filter(({ endpoint }) => existing.has(nameKey(endpoint)));
    for (let from = 0; from < retained.length; from += insertedAtOnce) {
      try {
        await insertPredicted(this.#options.db, retained.slice(from, from + insertedAtOnce));
      } catch (error) {
        for (const predicted of retained.slice(from)) this.add(predicted); // retried, within the limit
        throw error;
      }
      await this.#yield();
    }
    const shadows = this.#shadows.filter(({ endpoint }) => existing.has(nameKey(endpoint)));
    this.#shadows = [];
    for (let from = 0; from < shadows.length; from += insertedAtOnce) {
      await addShadowPredictions(this.#options.db, shadows.slice(from, from + insertedAtOnce));
      await this.#yield();
    }
    for (const { endpoint } of retained) this.#qualities.delete(nameKey(endpoint));
    const nowMs = this.#options.clock.wallMs();
    if (retained.length > 0 && nowMs - this.#clearedAtMs >= clearEveryMs) {
      this.#clearedAtMs = nowMs;
      await clearPredicted(this.#options.db, this.#options.endpoints(), nowMs);
      await clearLabels(this.#options.db, this.#options.endpoints(), nowMs);
    }
  }

  #yield(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.after(0, resolve));
  }
}

function* partsOf(provided: readonly LabelInput[]): Generator<readonly LabelInput[]> {
  let part: LabelInput[] = [];
  let labels = 0;
  for (const each of provided) {
    if (part.length === insertedAtOnce || (part.length > 0 && labels + each.labels.length > labelsAtOnce)) {
      yield part;
      [part, labels] = [[], 0];
    }
    part.push(each);
    labels += each.labels.length;
  }
  if (part.length > 0) yield part;
}

function valuesIn(stored: string | null): StoredPrediction['values'] | null {
  return stored === null ? null : (JSON.parse(stored) as StoredPrediction['values']);
}
