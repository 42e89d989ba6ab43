/** Rows by plan and accuracy over time, for the charts of an endpoint that serves a selection. Pure. */
import type { EndpointBody, SeriesBody } from '../../../../src/api/index.ts';
import type { TokenName } from '../../theme/tokens.ts';

type Rung = NonNullable<EndpointBody['selection']>['ladder'][number];

export interface SelectionColumns {
  /** Epoch seconds, ascending: every period in which a row was answered or labelled. */
  readonly at: readonly number[];
  /** By plan: rows per second. */
  readonly rates: ReadonlyMap<string, readonly (number | null)[]>;
  /** By the plans that answered, from the accuracies of the evaluation; null without rows. */
  readonly estimated: readonly (number | null)[];
  /** The share of labelled rows that were right; null without labels. */
  readonly labelled: readonly (number | null)[];
  /** The interval of the accuracy by all labels since the plans were chosen, as it was known then: it holds at all times at once (95 %). */
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
}

/** Averages of the metrics of labels: 1 for a right row, and the ends of the interval. */
export interface LabelSeries {
  readonly accuracy: SeriesBody;
  readonly low: SeriesBody;
  readonly high: SeriesBody;
}

/** `byPlan`: sums of rows, in the order of `ladder`. */
export function selectionColumns(ladder: readonly Rung[], byPlan: readonly SeriesBody[], series: LabelSeries): SelectionColumns {
  const valuesOf = ({ points }: SeriesBody) => new Map(points.map(({ at, values: [value = null] }) => [Date.parse(at) / 1000, value]));
  const rows = byPlan.map(valuesOf);
  const [labels, lows, highs] = [valuesOf(series.accuracy), valuesOf(series.low), valuesOf(series.high)];
  const at = [...new Set([...rows.flatMap((column) => [...column.keys()]), ...labels.keys(), ...lows.keys()])].sort((a, b) => a - b);
  const estimatedAt = (second: number): number | null => {
    const counts = rows.map((column) => column.get(second) ?? 0);
    const total = counts.reduce((sum, each) => sum + each, 0);
    if (total === 0) return null;
    return counts.reduce((sum, each, i) => sum + each * (ladder[i] as Rung).accuracy, 0) / total;
  };
  return {
    at,
    rates: new Map(ladder.map(({ plan }, i) => [plan, at.map((second) => ratePerSecond(rows[i]?.get(second), byPlan[i]?.period_s ?? 60))])),
    estimated: at.map(estimatedAt),
    labelled: at.map((second) => labels.get(second) ?? null),
    low: at.map((second) => lows.get(second) ?? null),
    high: at.map((second) => highs.get(second) ?? null),
  };
}

function ratePerSecond(rows: number | null | undefined, periodS: number): number {
  return (rows ?? 0) / periodS;
}

const colors: readonly TokenName[] = ['func-2', 'func', 'rescue', 'flush', 'fore', 'p50', 'p95', 'inst'];

/** The most accurate plan has the same colour on every ladder. */
export function rungColor(index: number, rungs: number): TokenName {
  return colors[Math.max(0, colors.length - rungs) + index] ?? 'inst';
}
