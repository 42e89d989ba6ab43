/**
 * Finds drift without labels: a cascade that is unsure of more rows than it was on the evaluation set sees other rows. The share of rows
 * that go on to the second model sees every row and costs nothing. Evidence may be looked at after every batch: if the share is not above
 * the expected one, the alarm ever fires with probability at most `alpha` (Ville 1939). Counts start again with each ladder.
 */
import { isDeepStrictEqual } from 'node:util';
import { clopperPearson, logEvidence } from '../../statistics/index.ts';

/** A plan, and how many rows of the evaluation went on under it. */
export interface EscalationBaseline {
  /** `digits-mlp/1>digits-cnn/1@0.03` */
  readonly plan: string;
  readonly rows: number;
  readonly escalated: number;
  /** When the plans were chosen: a later choice begins a test of its own. */
  readonly decidedAtMs: number;
}

export interface PlanEscalation {
  readonly plan: string;
  /** Rows served by the plan, and those of them that went on. */
  readonly rows: number;
  readonly escalated: number;
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

/** The largest share of rows going on that the evaluation is compatible with. */
export function escalationShareMax({ rows, escalated }: Pick<EscalationBaseline, 'rows' | 'escalated'>): number {
  return Math.min(1, clopperPearson(escalated, rows, intervalAlpha).high + tolerance);
}

interface Counts {
  readonly baseline: EscalationBaseline;
  readonly shareMax: number;
  rows: number;
  escalated: number;
  firedAtRows: number | null;
  /** The last totals of `counted`. */
  last: { readonly rows: number; readonly escalated: number };
}

export class EscalationWatch {
  readonly #endpoints = new Map<string, Map<string, Counts>>();

  /** Sets what is expected. Plans whose baseline is unchanged keep their counts. */
  expect(endpoint: string, baselines: readonly EscalationBaseline[]): void {
    const before = this.#endpoints.get(endpoint);
    const counts = baselines.slice(0, plansMax).map((baseline): [string, Counts] => {
      const known = before?.get(baseline.plan);
      if (known !== undefined && isDeepStrictEqual(known.baseline, baseline)) return [baseline.plan, known];
      // What was counted before is not evidence of this choice.
      const last = known?.last ?? { rows: 0, escalated: 0 };
      return [baseline.plan, { baseline, shareMax: escalationShareMax(baseline), rows: 0, escalated: 0, firedAtRows: null, last }];
    });
    this.#endpoints.set(endpoint, new Map(counts));
  }

  /** Counts a batch. Batches of plans that are not expected, such as models alone, do not count. */
  observe(endpoint: string, plan: string, rows: number, escalated: number): void {
    const counts = this.#endpoints.get(endpoint)?.get(plan);
    if (counts === undefined) return;
    counts.rows += rows;
    counts.escalated += escalated;
    // Evidence falls with each row that does not go on.
    if (escalated === 0 || counts.firedAtRows !== null) return;
    if (logEvidence(counts.escalated, counts.rows, counts.shareMax) >= firesAt) counts.firedAtRows = counts.rows;
  }

  /** Counts what rose since the last totals. Totals that fell begin with other workers: what they had counted is counted already. */
  counted(endpoint: string, plan: string, totals: { readonly rows: number; readonly escalated: number }): void {
    const counts = this.#endpoints.get(endpoint)?.get(plan);
    if (counts === undefined) return;
    const { last } = counts;
    counts.last = { rows: totals.rows, escalated: totals.escalated };
    if (totals.rows > last.rows && totals.escalated >= last.escalated)
      this.observe(endpoint, plan, totals.rows - last.rows, totals.escalated - last.escalated);
  }

  forget(endpoint: string): void {
    this.#endpoints.delete(endpoint);
  }

  /** The plans that are watched; empty without any. */
  view(endpoint: string): readonly PlanEscalation[] {
    return [...(this.#endpoints.get(endpoint)?.entries() ?? [])].map(([plan, { rows, escalated, shareMax, firedAtRows }]) => ({
      plan,
      rows,
      escalated,
      shareMax,
      evidence: Math.exp(Math.min(logEvidence(escalated, rows, shareMax), 700)),
      firedAtRows,
    }));
  }
}

/** For the alarm: null without plans to watch; `isDrifted` is null before any row. */
export function escalationRuling(plans: readonly PlanEscalation[]): { readonly isDrifted: boolean | null; readonly reason: string } | null {
  if (plans.length === 0) return null;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const fired = plans.find(({ firedAtRows }) => firedAtRows !== null);
  if (fired !== undefined) {
    const { plan, rows, escalated, shareMax } = fired;
    const counts = `${escalated.toLocaleString('en-US')} of ${rows.toLocaleString('en-US')} rows`;
    return {
      isDrifted: true,
      reason: `under ${plan}, ${percent(escalated / rows)} of the rows went on to the second model (${counts}): at most ${percent(shareMax)} are expected. The rows have drifted from those of the evaluation: post labels, or evaluate again`,
    };
  }
  const rows = plans.reduce((sum, each) => sum + each.rows, 0);
  if (rows === 0) return { isDrifted: null, reason: 'no rows under a cascade yet' };
  const escalated = plans.reduce((sum, each) => sum + each.escalated, 0);
  return {
    isDrifted: false,
    reason: `${percent(escalated / rows)} of ${rows.toLocaleString('en-US')} rows went on to the second model, as expected`,
  };
}
