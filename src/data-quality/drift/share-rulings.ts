/** What alarms say of watched shares. Pure. */
import type { WatchedShare } from './share-watch.ts';

/** `isDrifted` is null before any row. */
export interface DriftRuling {
  readonly isDrifted: boolean | null;
  readonly reason: string;
  /** The largest e-value of a plan; absent before any row. */
  readonly evidence?: number;
}

interface RulingTexts {
  readonly none: string;
  readonly fired: (plan: string, share: string, counts: string) => string;
  readonly expected: (share: string, rows: string) => string;
}

/** By the rows that go on to the second model of a cascade; null without cascades. */
export function escalationRuling(plans: readonly WatchedShare[]): DriftRuling | null {
  return rulingOf(plans, {
    none: 'no rows under a cascade yet',
    fired: (plan, share, counts) => `under ${plan}, ${share} of the rows went on to the second model (${counts} rows)`,
    expected: (share, rows) => `${share} of ${rows} rows went on to the second model, as expected`,
  });
}

/** By the rows that were compared with the most accurate plan; null without plans to compare. */
export function agreementRuling(plans: readonly WatchedShare[]): DriftRuling | null {
  return rulingOf(plans, {
    none: 'no rows were compared with the most accurate plan yet',
    fired: (plan, share, counts) =>
      `${plan} answers ${share} of the rows that it keeps otherwise than the most accurate plan (${counts} rows)`,
    expected: (share, rows) => `plans answer ${share} of ${rows} compared rows otherwise than the most accurate one, as expected`,
  });
}

function rulingOf(plans: readonly WatchedShare[], texts: RulingTexts): DriftRuling | null {
  if (plans.length === 0) return null;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const count = (value: number): string => value.toLocaleString('en-US');
  const fired = plans.find(({ firedAtRows }) => firedAtRows !== null);
  if (fired !== undefined) {
    const { plan, rows, ones, shareMax } = fired;
    const found = texts.fired(plan, percent(ones / rows), `${count(ones)} of ${count(rows)}`);
    return {
      isDrifted: true,
      evidence: Math.max(...plans.map((plan) => plan.evidence)),
      reason: `${found}: at most ${percent(shareMax)} are expected. The rows have drifted from those of the evaluation: post labels, or evaluate again`,
    };
  }
  const rows = plans.reduce((sum, each) => sum + each.rows, 0);
  if (rows === 0) return { isDrifted: null, reason: texts.none };
  const ones = plans.reduce((sum, each) => sum + each.ones, 0);
  const evidence = Math.max(...plans.map((plan) => plan.evidence));
  return { isDrifted: false, evidence, reason: texts.expected(percent(ones / rows), count(rows)) };
}
