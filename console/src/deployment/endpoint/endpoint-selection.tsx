/** The selection tab of an endpoint: its ladder, which plan answered, and the accuracy over time. */
import { useQuery } from '@tanstack/react-query';
import { type ReactElement, useMemo } from 'react';
import type { EndpointBody, SeriesBody } from '../../../../src/api/index.ts';
import { get } from '../../api/client.ts';
import { Card } from '../../kit/card.tsx';
import type { ChartLine } from '../../kit/charts/chart-props.ts';
import { TimeChart } from '../../kit/charts/time-chart.tsx';
import { DataTable } from '../../kit/data-table.tsx';
import { count, fixed, percent, rate } from '../../kit/format/format.ts';
import { usdFine } from '../../kit/format/money.ts';
import { Empty } from '../../kit/page/empty.tsx';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import type { ChosenRange } from '../../kit/page/time-range.tsx';
import { type LabelSeries, rungColor, selectionColumns } from './selection-series.ts';

type Selection = NonNullable<EndpointBody['selection']>;

interface EndpointSelectionProps {
  readonly endpoint: EndpointBody;
  readonly selection: Selection;
  readonly range: ChosenRange;
}

export function EndpointSelection({ endpoint, selection, range }: EndpointSelectionProps): ReactElement {
  const { held, state, explanation } = selection;
  return (
    <div className="stack">
      {held === null ? (
        <Note tone={state === 'not-certified' ? 'warn' : 'accent'} title={explanation} />
      ) : (
        <Note tone="warn" title="The selection is held.">
          {held.reason}. Nothing cheaper is chosen until an evaluation of new rows, or a release.
        </Note>
      )}
      <Charts endpoint={endpoint} selection={selection} range={range} />
      <LadderTable selection={selection} />
    </div>
  );
}

function Charts({ endpoint, selection, range }: EndpointSelectionProps): ReactElement {
  const { fromMs, toMs, spanS, periodS } = range;
  const { ladder } = selection;
  const plans = ladder.map(({ plan }) => plan);
  const variant = endpoint.variants[0]?.name ?? 'AllTraffic';
  const query = useQuery({
    queryKey: ['selection-series', endpoint.name, variant, plans, fromMs, toMs, spanS, periodS],
    queryFn: ({ signal }) => {
      const until = toMs ?? Date.now();
      const span = { from: new Date(fromMs ?? until - spanS * 1000).toISOString(), to: new Date(until).toISOString() };
      const read = (name: string, statistics: string): Promise<SeriesBody> =>
        get('/metrics/series', { endpoint: endpoint.name, variant, name, statistics, ...span, period_s: periodS }, signal);
      return Promise.all([
        ...['Accuracy', 'AccuracyLow', 'AccuracyHigh'].map((name) => read(name, 'Average')),
        ...plans.map((plan) => read(`PlanRows/${plan}`, 'Sum')),
      ]);
    },
    refetchInterval: fromMs === null ? 10_000 : false,
    placeholderData: (before) => before,
  });
  return (
    <LoadedContent query={query} what="The series could not be loaded." heights={[240]}>
      {([accuracy, low, high, ...byPlan]) =>
        accuracy === undefined || low === undefined || high === undefined ? null : (
          <LoadedCharts selection={selection} labels={{ accuracy, low, high }} byPlan={byPlan} range={range} />
        )
      }
    </LoadedContent>
  );
}

interface LoadedChartsProps {
  readonly selection: Selection;
  readonly labels: LabelSeries;
  readonly byPlan: readonly SeriesBody[];
  readonly range: ChosenRange;
}

const perSecond = (value: number): string => rate(value);
const asPercent = (value: number, isAxis: boolean): string => `${fixed(100 * value, isAxis ? 1 : 2)} %`;
const errorsOf = (accuracies: readonly (number | null)[]) => accuracies.map((each) => (each === null ? null : 1 - each));

function LoadedCharts({ selection: { ladder, floor }, labels, byPlan, range }: LoadedChartsProps): ReactElement {
  const columns = useMemo(() => selectionColumns(ladder, byPlan, labels), [ladder, byPlan, labels]);
  const { at, rates, estimated, labelled, low, high } = columns;
  const { accuracy } = labels;
  if (at.length === 0) {
    return (
      <Card title="Rows by plan">
        <Empty title="No row was answered in this time">
          Which plan answers, and with what accuracy, is shown here once requests arrive.
        </Empty>
      </Card>
    );
  }
  const edges = [Date.parse(accuracy.from) / 1000, Date.parse(accuracy.to) / 1000] as const;
  const lines = ladder.map(
    ({ plan }, index): ChartLine => ({ label: plan, color: rungColor(index, ladder.length), values: rates.get(plan) ?? [] }),
  );
  return (
    <div className="grid">
      <TimeChart
        title="Rows by plan"
        span={6}
        at={at}
        range={edges}
        lines={lines}
        isStacked
        unit="rows/s"
        format={perSecond}
        syncKey="selection"
        onZoom={range.zoom}
        footer="From the cheapest plan at the bottom to the most accurate at the top."
      />
      <TimeChart
        title="Errors"
        span={6}
        at={at}
        range={edges}
        lines={[
          { label: 'estimated', color: 'fore', isDashed: true, values: errorsOf(estimated) },
          { label: 'by labels', color: 'inst', width: 2, values: errorsOf(labelled) },
        ]}
        band={low.some((each) => each !== null) ? { low: errorsOf(high), high: errorsOf(low) } : undefined}
        objective={floor === null ? null : { value: 1 - floor, label: `allowed ${percent(1 - floor)} %` }}
        format={asPercent}
        syncKey="selection"
        onZoom={range.zoom}
        footer="Share of rows that were answered wrongly. Estimated: by the accuracies of the plans that answered. Labels show the truth, with the 95 % interval of all since the plans were chosen: post them by inference id."
      />
    </div>
  );
}

function LadderTable({ selection }: { readonly selection: Selection }): ReactElement {
  const { ladder, floor_plan: floorPlan, models, credit_rows: credit } = selection;
  const answered = models.map(({ model, rows, usd }) => `${model} ${count(rows)} rows for ${usdFine(usd)}`).join(', ');
  const creditText = credit === null ? '' : ` Accuracy credit: ${count(Math.floor(credit))} rows.`;
  return (
    <Card title="Ladder" footer={`From the cheapest to the most accurate plan. Answered: ${answered}.${creditText}`}>
      <DataTable
        caption="Plans of the ladder, with accuracy and what they answered"
        isDense
        rows={ladder}
        keyOf={({ plan }) => plan}
        isSelected={({ plan }) => plan === floorPlan}
        columns={[
          { title: 'Plan', cell: ({ plan }) => <span>{plan}</span> },
          { title: 'Accuracy', isNumber: true, cell: ({ accuracy }) => fixed(accuracy, 4) },
          { title: 'At least', isNumber: true, isWide: true, cell: ({ lower }) => fixed(lower, 4) },
          { title: 'Proof', isWide: true, cell: ({ certified }) => (certified ? 'certified' : 'not certified') },
          { title: 'Rows', isNumber: true, cell: ({ rows }) => count(rows) },
          {
            title: 'By labels',
            isNumber: true,
            isWide: true,
            cell: ({ labelled }) => (labelled === null ? '–' : `${fixed(labelled.accuracy, 4)} of ${count(labelled.rows)}`),
          },
          { title: 'Share', isNumber: true, cell: ({ share }) => (share === null ? '–' : `${percent(share)} %`) },
          {
            title: 'Goes on, evaluated',
            isNumber: true,
            isWide: true,
            cell: ({ escalated, plan }) => (plan.includes('>') ? `${percent(escalated)} %` : '–'),
          },
          {
            title: 'Goes on, served',
            isNumber: true,
            isWide: true,
            cell: ({ escalated_now: now, plan }) => (plan.includes('>') && now !== null ? `${percent(now)} %` : '–'),
          },
        ]}
      />
    </Card>
  );
}
