/** The live tab of an endpoint: numbers, charts, current setting, variants and decisions. */
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useCallback, useMemo } from 'react';
import type { EndpointBody, HistoryBody } from '../../../../src/api/index.ts';
import { historyQuery } from '../../api/queries.ts';
import { Card } from '../../kit/card.tsx';
import type { PlotMark } from '../../kit/charts/chart-plot.ts';
import { count, duration, fixed, ms, parseObjectiveText, percent, percentInTime, rate, usd } from '../../kit/format/format.ts';
import { clockTime } from '../../kit/format/time.ts';
import { NumberStrip, type StripNumber } from '../../kit/number-strip.tsx';
import { LoadedContent } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { useSearchValues } from '../../kit/page/search-state.ts';
import type { ChosenRange } from '../../kit/page/time-range.tsx';
import { DecisionTimeline } from '../decisions/decision-timeline.tsx';
import { formatDecision, type TimelineEntry } from '../decisions/format-decision.ts';
import { type HistorySums, shownInTime, sumsOf } from '../decisions/history-sums.ts';
import { useTimeline } from '../decisions/use-timeline.ts';
import { isBelowObjective } from '../endpoint-state.ts';
import { EndpointCharts } from './endpoint-charts.tsx';
import { VariantTable } from './endpoint-variants.tsx';
import { SettingNow } from './setting-now.tsx';

interface EndpointLiveProps {
  readonly endpoint: EndpointBody;
  readonly range: ChosenRange;
}

export function EndpointLive({ endpoint, range }: EndpointLiveProps): ReactElement {
  const history = useQuery(historyQuery(endpoint.name, range));
  return (
    <LoadedContent query={history} what="The measurements could not be loaded." heights={[92, 240, 220]}>
      {(data) => <Live endpoint={endpoint} range={range} history={data} />}
    </LoadedContent>
  );
}

const shownDecisions = 6;

function Live({ endpoint, range, history }: EndpointLiveProps & { readonly history: HistoryBody }): ReactElement {
  const [, change] = useSearchValues();
  const sums = useMemo(() => sumsOf(history), [history]);
  const { entries } = useTimeline(endpoint.name, undefined);
  const marks = useMemo(() => marksOf(entries), [entries]);
  const open = useCallback((id: string) => change({ tab: 'decisions', decision: id }), [change]);
  const [first] = endpoint.variants;
  return (
    <>
      <NumberStrip numbers={numbersOf(endpoint, history, sums, range)} />
      <NoTrafficNote endpoint={endpoint} sums={sums} range={range} />
      <EndpointCharts history={history} objective={endpoint.objective} range={range} marks={marks} onMark={open} />
      <div className="grid">
        <div className="c5 stack">
          {first === undefined ? null : <SettingNow endpoint={endpoint} variant={first} sums={sums} span={range.title} />}
          <Card title="Variants" end={<TabLink tab="variants">Change traffic</TabLink>}>
            <VariantTable endpoint={endpoint} />
          </Card>
        </div>
        <Card title="Decisions" span={7} end={<TabLink tab="decisions">All decisions</TabLink>}>
          {entries.length === 0 ? (
            <p className="body mut">No decisions yet. Penstock decides only for functions and autoscaling.</p>
          ) : (
            <DecisionTimeline entries={entries.slice(0, shownDecisions)} requestedId={undefined} onRequest={open} />
          )}
        </Card>
      </div>
    </>
  );
}

function TabLink({ tab, children }: { readonly tab: string; readonly children: string }): ReactElement {
  return (
    <Link to="." search={(before: object) => ({ ...before, tab })}>
      {children}
    </Link>
  );
}

/** Marks on the time axis: decisions open on click, changes by users only have a tooltip. */
function marksOf(entries: readonly TimelineEntry[]): PlotMark[] {
  return entries.flatMap((entry): PlotMark[] => {
    if (entry.kind === 'person') return [{ atMs: entry.atMs, kind: 'person', title: entry.title, id: '' }];
    if (entry.kind === 'unchanged') return [];
    const { decision } = entry;
    return [{ atMs: Date.parse(decision.at), kind: 'decision', title: formatDecision(decision).title, id: decision.id }];
  });
}

/** A note that explains the empty page if there was no traffic. */
function NoTrafficNote({
  endpoint,
  sums,
  range,
}: {
  readonly endpoint: EndpointBody;
  readonly sums: HistorySums;
  readonly range: ChosenRange;
}): ReactElement | null {
  if ((sums.peakRate ?? 0) > 0) return null;
  const last = endpoint.variants
    .map(({ statistics }) => statistics?.last_inference_at ?? '')
    .toSorted()
    .at(-1);
  return (
    <Note title={range.isZoomed ? 'No traffic in this range.' : `No traffic in the last ${range.title}.`}>
      {last === undefined || last === '' ? 'No requests yet.' : `Last request ${clockTime(Date.parse(last))}.`}{' '}
      <Link to="/endpoints/$endpoint/try" params={{ endpoint: endpoint.name }}>
        Send a request
      </Link>
    </Note>
  );
}

function numbersOf(endpoint: EndpointBody, history: HistoryBody, sums: HistorySums, range: ChosenRange): StripNumber[] {
  const { isZoomed, title } = range;
  const inTime = shownInTime(endpoint, sums, range);
  const objective = parseObjectiveText(endpoint.objective);
  const share = objective === null || sums.promisedMs === null ? null : sums.promisedMs / objective.latencyMs;
  const hasFunctions = endpoint.variants.some(({ functions }) => functions !== null);
  const alwaysOn = history.always_on_usd_per_hour;
  const numbers: StripNumber[] = [
    {
      label: 'Rate',
      value: rate(sums.rate),
      unit: '/s',
      note:
        sums.peakRate === null || sums.peakAt === null
          ? 'no traffic'
          : `peak ${rate(sums.peakRate)} /s at ${clockTime(sums.peakAt * 1000)} (${duration(history.period_s * 1000)})`,
    },
    {
      label: `p${objective?.percentile ?? 95} ${isZoomed ? 'at the end' : 'now'}`,
      value: ms(sums.promisedMs),
      unit: 'ms',
      bar: share,
      note:
        objective === null
          ? 'no objective'
          : share === null
            ? `objective ${ms(objective.latencyMs)} ms`
            : `${fixed(share * 100)} % of objective`,
      ...(share !== null && share > 1 && isBelowObjective(inTime, endpoint.objective) ? { tone: 'bad' as const } : {}),
    },
    {
      label: isZoomed ? 'In time' : `In time, ${title}`,
      value: percentInTime(inTime),
      ...(inTime === null ? {} : { unit: '%' }),
      note: objective === null ? 'no objective' : `objective ${objective.percentile} %`,
      ...(isBelowObjective(inTime, endpoint.objective) ? { tone: 'warn' as const } : {}),
    },
  ];
  if (hasFunctions) {
    numbers.push({
      label: 'On functions',
      value: percent(sums.functionShare),
      ...(sums.functionShare === null ? {} : { unit: '%' }),
      note: `${rate(sums.functionRate)} /s, mean batch ${fixed(sums.meanBatch, 1)}`,
    });
  } else numbers.push({ label: 'Mean batch', value: fixed(sums.meanBatch, 1), unit: 'rows', note: 'instances only' });
  return [
    ...numbers,
    {
      label: 'Cost now',
      value: usd(sums.usdPerHour),
      unit: '/h',
      note: alwaysOn === null || alwaysOn === 0 ? 'instances and functions' : `always-on at peak ${usd(alwaysOn)}`,
    },
    {
      label: 'Per million',
      value: usd(sums.usdPerMillion),
      note:
        sums.requestsPerHour === null
          ? 'no requests'
          : sums.usdPerMillion === null
            ? 'too few requests for a price'
            : `${count(sums.requestsPerHour)} requests per hour`,
    },
  ];
}
