/**
 * Finds drift without labels. A cascade that is unsure of more rows than it was on the evaluation set sees other rows, and so does a plan
 * that agrees with the most accurate one less often than it did there. The first sees every row and costs nothing, the second needs rows
 * that were compared in idle time. Evidence may be looked at after every batch: if the share is not above the expected one, the alarm
 * ever fires with probability at most `alpha` (Ville 1939). Counts start again with each choice of plans; they survive a restart.
 */
import { isDeepStrictEqual } from 'node:util';
import { clopperPearson, logEvidence } from '../../statistics/index.ts';

/** A plan, and the rows of its evaluation. */
export interface ShareBaseline {
  /** `digits-mlp/1>digits-cnn/1@0.03` */
  readonly plan: string;
  readonly rows: number;
  /** Rows that went on, or on which the most accurate plan disagrees. */
  readonly ones: number;
  /** When the plans were chosen: a later choice begins a test of its own. */
  readonly decidedAtMs: number;
}

/** A share that is watched, and the evidence against it so far. */
export interface WatchedShare {
  readonly plan: string;
  /** Rows since the plans were chosen, and the ones among them. */
  readonly rows: number;
  readonly ones: number;
  /** The share that the evaluation leads to expect at most. */
  readonly shareMax: number;
  /** e: 100 means that such counts ever come about with probability at most 1 % if the share is `shareMax`. */
  readonly evidence: number;
  /** Rows until the evidence sufficed; null if it never did. */
  readonly firedAtRows: number | null;
}

/** False alarms in one of a hundred ladders at most. */
const alpha = 0.01;
const firesAt = Math.log(1 / alpha);
/** The upper end of the 95 % interval, and this much more: the alarm is for drifts that matter. */
const intervalAlpha = 0.05;
const tolerance = 0.005;
/** A plan that was not expected counts for nothing; a ladder has at most eight. */
const plansMax = 64;

/** The largest share that the evaluation is compatible with. */
export function expectedShareMax({ rows, ones }: Pick<ShareBaseline, 'rows' | 'ones'>): number {
  return Math.min(1, clopperPearson(ones, rows, intervalAlpha).high + tolerance);
}

/** The same as stored: evidence is computed from the counts. */
export interface StoredShare {
  readonly endpoint: string;
  readonly baseline: ShareBaseline;
  readonly rows: number;
  readonly ones: number;
  readonly firedAtRows: number | null;
}

interface Counts {
  readonly baseline: ShareBaseline;
  readonly shareMax: number;
  rows: number;
  ones: number;
  firedAtRows: number | null;
  /** The last totals of `counted`. */
  last: { readonly rows: number; readonly ones: number };
}

/** Evidence can be looked at after every row without losing its meaning (anytime-valid). */
export class ShareWatch {
  readonly #endpoints = new Map<string, Map<string, Counts>>();

  /** Sets what is expected. Plans whose baseline is unchanged keep their counts. */
  expect(endpoint: string, baselines: readonly ShareBaseline[]): void {
    const before = this.#endpoints.get(endpoint);
    const counts = baselines.slice(0, plansMax).map((baseline): [string, Counts] => {
      const known = before?.get(baseline.plan);
      if (known !== undefined && isDeepStrictEqual(known.baseline, baseline)) return [baseline.plan, known];
      // What was counted before is not evidence of this choice.
      const last = known?.last ?? { rows: 0, ones: 0 };
      return [baseline.plan, { baseline, shareMax: expectedShareMax(baseline), rows: 0, ones: 0, firedAtRows: null, last }];
    });
    this.#endpoints.set(endpoint, new Map(counts));
  }

  /** Counts a batch. Batches of plans that are not expected, such as models alone, do not count. */
  observe(endpoint: string, plan: string, rows: number, ones: number): void {
    const counts = this.#endpoints.get(endpoint)?.get(plan);
    if (counts === undefined) return;
    counts.rows += rows;
    counts.ones += ones;
    // Evidence falls with each row that does not count.
    if (ones === 0 || counts.firedAtRows !== null) return;
    if (logEvidence(counts.ones, counts.rows, counts.shareMax) >= firesAt) counts.firedAtRows = counts.rows;
  }

  /** Counts what rose since the last totals. Totals that fell begin with other workers: what they had counted is counted already. */
  counted(endpoint: string, plan: string, totals: { readonly rows: number; readonly ones: number }): void {
    const counts = this.#endpoints.get(endpoint)?.get(plan);
    if (counts === undefined) return;
    const { last } = counts;
    counts.last = { rows: totals.rows, ones: totals.ones };
    if (totals.rows > last.rows && totals.ones >= last.ones) this.observe(endpoint, plan, totals.rows - last.rows, totals.ones - last.ones);
  }

  forget(endpoint: string): void {
    this.#endpoints.delete(endpoint);
  }

  /** What is stored, so that a restart loses nothing. */
  stored(): readonly StoredShare[] {
    return [...this.#endpoints].flatMap(([endpoint, plans]) =>
      [...plans.values()].map(({ baseline, rows, ones, firedAtRows }) => ({ endpoint, baseline, rows, ones, firedAtRows })),
    );
  }

  /** Continues from what was stored. Call before the first `expect`. */
  restore(stored: readonly StoredShare[]): void {
    for (const { endpoint, baseline, rows, ones, firedAtRows } of stored) {
      const plans = this.#endpoints.get(endpoint) ?? new Map<string, Counts>();
      // The counters of a started server begin at 0.
      const last = { rows: 0, ones: 0 };
      plans.set(baseline.plan, { baseline, shareMax: expectedShareMax(baseline), rows, ones, firedAtRows, last });
      this.#endpoints.set(endpoint, plans);
    }
  }

  /** The plans that are watched; empty without any. */
  view(endpoint: string): readonly WatchedShare[] {
    return [...(this.#endpoints.get(endpoint)?.entries() ?? [])].map(([plan, { rows, ones, shareMax, firedAtRows }]) => ({
      plan,
      rows,
      ones,
      shareMax,
      evidence: Math.exp(Math.min(logEvidence(ones, rows, shareMax), 700)),
      firedAtRows,
    }));
  }
}
