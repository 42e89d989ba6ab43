/**
 * What was predicted is kept for a week, by inference id, no more than 100,000 calls an endpoint; labels that come later are joined to it,
 * which gives accuracy or error as it is in life. Predictions are written every ten seconds, away from requests: a kill loses no more.
 */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';
import { type Database, inTransaction } from '../../storage/index.ts';
import type { Predictions } from '../drift/features.ts';
import type { MetricStore } from '../series/metric-store.ts';
import { penstockNamespace, placeOfVariant } from '../series/variant-series.ts';
import { type Label, scoreOf } from './score.ts';

export interface Predicted {
  readonly endpoint: string;
  readonly variant: string;
  readonly inferenceId: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly kind: Predictions['kind'];
  /** One a row. */
  readonly values: readonly (number | string)[];
}

export interface LabelGiven {
  readonly inferenceId: string;
  /** One a row. */
  readonly labels: readonly Label[];
}

export interface LabelsTaken {
  readonly matched: number;
  /** No prediction of that id is kept (any more). */
  readonly unknown: readonly string[];
  /** There are other rows, or values of another kind. */
  readonly misfit: readonly string[];
}

export interface LiveQuality {
  readonly calls: number;
  readonly labelledCalls: number;
  readonly labelledRows: number;
  /** Share of rows whose class was right; null where nothing was labelled. */
  readonly accuracy: number | null;
  /** Mean absolute error; null as well. */
  readonly meanAbsoluteError: number | null;
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
const keptMs = 7 * 86_400_000;
const keptCalls = 100_000;
/** Of a round; what comes beyond is not kept, and labels for it will find nothing. */
const waitingMax = 5000;
/** More rows in one call than these are no single decisions that anybody labels. */
const rowsMax = 1000;
/** So many are written before others have their turn. */
const insertedAtOnce = 100;
const clearEveryMs = 600_000;
const namedMax = 20;

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
  async quality(endpoint: string): Promise<LiveQuality> {
    const row = await this.#options.db
      .selectFrom('observed_predictions')
      .select(({ fn }) => [
        fn.countAll().as('calls'),
        fn.count('labelled_at').as('labelled'),
        fn.sum('hits').as('hits'),
        fn.sum('error_sum').as('errors'),
      ])
      .where('endpoint_key', '=', endpoint.toLowerCase())
      .executeTakeFirst();
    const judged = await this.#options.db
      .selectFrom('observed_predictions')
      .select(({ fn }) => [fn.sum('rows').as('rows'), fn.count('hits').as('classes')])
      .where('endpoint_key', '=', endpoint.toLowerCase())
      .where('labelled_at', 'is not', null)
      .groupBy('is_class')
      .select('is_class')
      .execute();
    const rowsOf = (isClass: number): number => Number(judged.find(({ is_class }) => Number(is_class) === isClass)?.rows ?? 0);
    const [classRows, valueRows] = [rowsOf(1), rowsOf(0)];
    return {
      calls: Number(row?.calls ?? 0),
      labelledCalls: Number(row?.labelled ?? 0),
      labelledRows: classRows + valueRows,
      accuracy: classRows === 0 ? null : Number(row?.hits ?? 0) / classRows,
      meanAbsoluteError: valueRows === 0 ? null : Number(row?.errors ?? 0) / valueRows,
    };
  }

  /** What was predicted within a time, at most 10,000 calls. */
  async predictedWithin(endpoint: string, fromMs: number, toMs: number): Promise<(number | string)[]> {
    await this.flush();
    const rows = await this.#options.db
      .selectFrom('observed_predictions')
      .select('predictions')
      .where('endpoint_key', '=', endpoint.toLowerCase())
      .where('at', '>=', fromMs)
      .where('at', '<', toMs)
      .limit(10_000)
      .execute();
    return rows.flatMap(({ predictions }) => (JSON.parse(predictions) as Pick<Predicted, 'values'>).values);
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
        await this.#insert(kept.slice(from, from + insertedAtOnce));
      } catch (error) {
        for (const predicted of kept.slice(from)) this.add(predicted); // tried again, as far as there is room
        throw error;
      }
      await this.#breathe();
    }
    const nowMs = this.#options.clock.wallMs();
    if (kept.length > 0 && nowMs - this.#clearedAtMs >= clearEveryMs) {
      this.#clearedAtMs = nowMs;
      await this.#clear(nowMs);
    }
  }

  async #insert(predicted: readonly Predicted[]): Promise<void> {
    const values = predicted.map(({ endpoint, variant, inferenceId, atMs, kind, values: all }) => ({
      endpoint_key: endpoint.toLowerCase(),
      inference_id: inferenceId,
      variant,
      at: atMs,
      rows: all.length,
      is_class: kind === 'class' ? (1 as const) : (0 as const),
      predictions: JSON.stringify({ kind, values: all }),
      labelled_at: null,
      hits: null,
      error_sum: null,
    }));
    await this.#options.db
      .insertInto('observed_predictions')
      .values(values)
      .onConflict((conflict) =>
        conflict.columns(['endpoint_key', 'inference_id']).doUpdateSet((excluded) => ({
          variant: excluded.ref('excluded.variant'),
          at: excluded.ref('excluded.at'),
          rows: excluded.ref('excluded.rows'),
          is_class: excluded.ref('excluded.is_class'),
          predictions: excluded.ref('excluded.predictions'),
          labelled_at: null,
          hits: null,
          error_sum: null,
        })),
      )
      .execute();
  }

  async #clear(nowMs: number): Promise<void> {
    const { db, endpoints } = this.#options;
    await db
      .deleteFrom('observed_predictions')
      .where('at', '<', nowMs - keptMs)
      .execute();
    for (const endpoint of endpoints()) {
      const key = endpoint.toLowerCase();
      const last = await db
        .selectFrom('observed_predictions')
        .select('at')
        .where('endpoint_key', '=', key)
        .orderBy('at', 'desc')
        .offset(keptCalls)
        .limit(1)
        .executeTakeFirst();
      if (last !== undefined)
        await db.deleteFrom('observed_predictions').where('endpoint_key', '=', key).where('at', '<=', last.at).execute();
    }
  }

  #breathe(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.after(0, resolve));
  }
}

/** Labels as they are posted: a JSON object a line. Throws `invalid_request` with the line. */
export function readLabels(text: string, linesMax: number): LabelGiven[] {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  if (lines.length === 0 || lines.length > linesMax) {
    throw new PlatformError(
      'invalid_request',
      `expected 1 to ${linesMax} lines of {"inference_id": ..., "label": ...}, got ${lines.length}`,
    );
  }
  return lines.map((line, i) => {
    const given = parsed(line);
    const { inference_id: id, label } = given ?? {};
    const labels = Array.isArray(label) ? label : [label];
    const isLabel = (each: unknown): each is Label => ['number', 'string', 'boolean'].includes(typeof each);
    if (typeof id !== 'string' || id === '' || labels.length === 0 || !labels.every(isLabel)) {
      throw new PlatformError(
        'invalid_request',
        `line ${i + 1}: expected {"inference_id": "...", "label": a number, a text, or a list of one a row}, got ${line.slice(0, 80)}`,
      );
    }
    return { inferenceId: id, labels };
  });
}

function parsed(line: string): { readonly inference_id?: unknown; readonly label?: unknown } | null {
  try {
    return JSON.parse(line) as { readonly inference_id?: unknown; readonly label?: unknown } | null;
  } catch {
    return null;
  }
}

/** A few of many names. */
export function someOf(names: readonly string[]): readonly string[] {
  return names.slice(0, namedMax);
}
