/**
 * What was predicted is kept for a week, by inference id, no more than 100,000 calls an endpoint; labels that come later are joined to it,
 * which gives accuracy or error as it is in life. Predictions are written every ten seconds, away from requests: a kill loses no more.
 */
import type { Clock } from '../../clock.ts';
import { type Database, inTransaction } from '../../storage/index.ts';
import type { MetricStore } from '../series/metric-store.ts';
import { penstockNamespace, placeOfVariant } from '../series/variant-series.ts';
import { clearPredicted, insertPredicted, type LiveQuality, type Predicted, readPredicted, readQuality } from './prediction-rows.ts';
import type { LabelGiven } from './read-labels.ts';
import { type Label, scoreOf } from './score.ts';

export interface LabelsTaken {
  readonly matched: number;
  /** No prediction of that id is kept (any more). */
  readonly unknown: readonly string[];
  /** There are other rows, or values of another kind. */
  readonly misfit: readonly string[];
}

/** Calls of an endpoint whose predictions were not kept: labels for them will find nothing. */
export interface PredictionsDropped {
  readonly endpoint: string;
  readonly calls: number;
  /** Which limit they met, such as `1000 rows of a call`. */
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
/** Of a round; what comes beyond is not kept, and labels for it will find nothing. */
const waitingMax = 5000;
/** More rows in one call than these are no single decisions that anybody labels. */
const rowsMax = 1000;
/** So many are written before others have their turn. */
const insertedAtOnce = 100;
const clearEveryMs = 600_000;

export class GroundTruth {
  readonly #options: GroundTruthOptions;
  #waiting = new Map<string, Predicted>();
  /** By endpoint and limit. */
  readonly #dropped = new Map<string, PredictionsDropped>();
  #clearedAtMs = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: (() => void) | null = null;

  constructor(options: GroundTruthOptions) {
    this.#options = options;
  }

  /** Takes no time worth mention. */
  add(predicted: Predicted): void {
    this.#cancelTimer ??= this.#options.clock.after(everyMs, () => {
      this.#cancelTimer = null;
      this.flush().catch(this.#options.onFailure);
    });
    if (predicted.values.length === 0) return; // nothing to label
    if (predicted.values.length > rowsMax) return this.#drop(predicted, `${rowsMax} rows of a call`);
    if (this.#waiting.size >= waitingMax) return this.#drop(predicted, `${waitingMax} calls of all endpoints in ${everyMs / 1000} s`);
    this.#waiting.set(`${predicted.endpoint.toLowerCase()}/${predicted.inferenceId}`, predicted);
  }

  #drop({ endpoint }: Predicted, limit: string): void {
    const key = `${endpoint.toLowerCase()}/${limit}`;
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

  /** Joins labels to what was predicted. A label that comes again takes the place of the first, and is not measured again. */
  async label(endpoint: string, given: readonly LabelGiven[]): Promise<LabelsTaken> {
    await this.flush();
    const key = endpoint.toLowerCase();
    let matched = 0;
    const unknown: string[] = [];
    const misfit: string[] = [];
    for (let from = 0; from < given.length; from += insertedAtOnce) {
      const part = new Map(given.slice(from, from + insertedAtOnce).map((each) => [each.inferenceId, each.labels]));
      await inTransaction(this.#options.db, async (tx) => {
        const rows = await tx
          .selectFrom('observed_predictions')
          .selectAll()
          .where('endpoint_key', '=', key)
          .where('inference_id', 'in', [...part.keys()])
          .execute();
        const found = new Map(rows.map((row) => [row.inference_id, row]));
        for (const [id, labels] of part) {
          const row = found.get(id);
          const { kind, values } = JSON.parse(row?.predictions ?? '{"kind":"class","values":[]}') as Pick<Predicted, 'kind' | 'values'>;
          const score = row === undefined ? null : scoreOf({ kind, values }, labels);
          if (row === undefined) unknown.push(id);
          else if (score === null) misfit.push(id);
          else {
            const change = { labelled_at: this.#options.clock.wallMs(), hits: score.hits, error_sum: score.errorSum };
            await tx
              .updateTable('observed_predictions')
              .set(change)
              .where('endpoint_key', '=', key)
              .where('inference_id', '=', id)
              .execute();
            matched++;
            if (row.labelled_at === null) this.#measure(endpoint, row.variant, kind, values, labels);
          }
        }
      });
      await this.#breathe();
    }
    return { matched, unknown, misfit };
  }

  /** Over all that is kept. */
  quality(endpoint: string): Promise<LiveQuality> {
    return readQuality(this.#options.db, endpoint);
  }

  /** What was predicted within a time, at most 10,000 calls. */
  async predictedWithin(endpoint: string, fromMs: number, toMs: number): Promise<(number | string)[]> {
    await this.flush();
    return readPredicted(this.#options.db, endpoint, { fromMs, toMs });
  }

  #measure(endpoint: string, variant: string, kind: Predicted['kind'], values: Predicted['values'], labels: readonly Label[]): void {
    const place = placeOfVariant(penstockNamespace, endpoint, variant);
    const metric = kind === 'class' ? { name: 'Accuracy', unit: 'None' } : { name: 'AbsoluteError', unit: 'None' };
    for (const [row, value] of values.entries()) {
      const score = scoreOf({ kind, values: [value] }, [labels[row] as Label]);
      this.#options.store.add(place, metric, score?.hits ?? score?.errorSum ?? 0);
    }
  }

  async #write(): Promise<void> {
    const all = [...this.#waiting.values()];
    this.#waiting = new Map();
    for (const dropped of this.#dropped.values()) this.#options.onDropped(dropped);
    this.#dropped.clear();
    const there = new Set(this.#options.endpoints().map((name) => name.toLowerCase()));
    const kept = all.filter(({ endpoint }) => there.has(endpoint.toLowerCase()));
    for (let from = 0; from < kept.length; from += insertedAtOnce) {
      try {
        await insertPredicted(this.#options.db, kept.slice(from, from + insertedAtOnce));
      } catch (error) {
        for (const predicted of kept.slice(from)) this.add(predicted); // tried again, as far as there is room
        throw error;
      }
      await this.#breathe();
    }
    const nowMs = this.#options.clock.wallMs();
    if (kept.length > 0 && nowMs - this.#clearedAtMs >= clearEveryMs) {
      this.#clearedAtMs = nowMs;
      await clearPredicted(this.#options.db, this.#options.endpoints(), nowMs);
    }
  }

  #breathe(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.after(0, resolve));
  }
}
