/** The costs page: what endpoints cost, deleted ones included, by endpoint and by day, to date and in past periods. */
import { Button, SegmentedControl } from '@mantine/core';
import { keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { CostsBody } from '../../../src/api/index.ts';
import { get } from '../api/client.ts';
import { endpointsQuery } from '../api/queries.ts';
import { Card } from '../kit/card.tsx';
import { Legend } from '../kit/charts/legend.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { useNow } from '../kit/format/ago.tsx';
import { download } from '../kit/format/download.ts';
import { count, percent, plural, usd } from '../kit/format/format.ts';
import { usdFine } from '../kit/format/money.ts';
import { writeCsv } from '../kit/format/write-csv.ts';
import { Icon } from '../kit/icon.tsx';
import { NumberStrip } from '../kit/number-strip.tsx';
import { Empty } from '../kit/page/empty.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useSearchValue } from '../kit/page/search-state.ts';
import { CostBars } from './cost-bars.tsx';
import {
  type CostRangeName,
  type CostSpan,
  type CostSum,
  costCsvHeader,
  costCsvRows,
  costRanges,
  costSpan,
  costSum,
  monthAtThisPace,
  type NamedSum,
  sumsByEndpoint,
  sumsByTime,
  type TimedSum,
} from './cost-sums.ts';
import './costs-page.css';

const dayMs = 86_400_000;

const costsQuery = (name: CostRangeName) =>
  queryOptions({
    queryKey: ['costs', name],
    queryFn: ({ signal }) => {
      const { fromMs, toMs, stepMs } = costSpan(name, Date.now());
      const span = { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
      return get<CostsBody>('/costs', { ...span, by: stepMs === dayMs ? 'day' : 'hour' }, signal);
    },
    refetchInterval: 15_000,
  });

export function CostsPage(): ReactElement {
  const [chosen, setPeriod] = useSearchValue('period', 'month');
  const { name, title } = costRanges.find((each) => each.name === chosen) ?? costRanges[0];
  const costs = useQuery({ ...costsQuery(name), placeholderData: keepPreviousData });
  const month = useQuery(costsQuery('month'));
  const items = costs.data?.items ?? [];
  return (
    <PageLayout
      title="Costs"
      facts={
        costs.data === undefined ? undefined : (
          <span>
            Computed from use, with the prices of {costs.data.prices_as_of}. On your own machine, nothing is billed. Days are UTC.
          </span>
        )
      }
      actions={
        <>
          <SegmentedControl
            aria-label="Period"
            value={name}
            onChange={setPeriod}
            data={costRanges.map((each) => ({ value: each.name, label: each.title }))}
          />
          <Button
            leftSection={<Icon name="download" />}
            disabled={items.length === 0}
            onClick={() => download(`penstock-costs-${name}.csv`, writeCsv(costCsvHeader, costCsvRows(items)), 'text/csv')}
          >
            Download CSV
          </Button>
        </>
      }
    >
      <LoadedContent query={costs} what="The costs could not be loaded." heights={[92, 240, 220]}>
        {(data) => <Content costs={data} month={month.data} name={name} title={title} />}
      </LoadedContent>
    </PageLayout>
  );
}

interface ContentProps {
  readonly costs: CostsBody;
  readonly month: CostsBody | undefined;
  readonly name: CostRangeName;
  readonly title: string;
}

function Content({ costs, month, name, title }: ContentProps): ReactElement {
  const now = useNow();
  const span = costSpan(name, now);
  const { items } = costs;
  const step = span.stepMs === dayMs ? 'day' : 'hour';
  return (
    <>
      <Numbers costs={costs} month={month} title={title} isMonth={name === 'month'} />
      {items.length === 0 ? (
        <Empty title="No cost in this period" command="penstock costs --since 30d --by day">
          Instances cost while they run, functions while they work. Costs are retained for 400 days, those of deleted endpoints too.
        </Empty>
      ) : (
        <Tables items={items} span={span} step={step} />
      )}
    </>
  );
}

function Numbers({
  costs,
  month,
  title,
  isMonth,
}: Pick<ContentProps, 'costs' | 'month' | 'title'> & { readonly isMonth: boolean }): ReactElement {
  const now = useNow();
  const sum = costSum(costs.items);
  const toDate = month === undefined ? null : costSum(month.items);
  const today = month === undefined ? null : costSum(month.items.filter(({ at }) => Date.parse(at) >= now - (now % dayMs)));
  const { data: lastDay } = useQuery(costsQuery('24h'));
  const pace = toDate === null || lastDay === undefined ? null : monthAtThisPace(toDate.totalUsd, lastDay.items, now);
  return (
    <NumberStrip
      numbers={[
        { label: 'Today', value: money(today?.totalUsd), note: today === null ? '' : `${count(today.requests)} requests answered` },
        {
          label: 'Month to date',
          value: money(toDate?.totalUsd),
          note: pace === null ? 'too early for a forecast' : `at this pace ${money(pace)} by its end`,
        },
        ...(isMonth ? [] : [{ label: title, value: money(sum.totalUsd), note: splitText(sum) }]),
        ...(isMonth ? [{ label: 'Instances', value: money(sum.instanceUsd), note: `functions ${money(sum.functionUsd)}` }] : []),
        {
          label: 'Answered',
          value: count(sum.requests),
          note: sum.failedRequests === 0 ? 'none failed' : `${count(sum.failedRequests)} failed or rejected`,
        },
        {
          label: 'Per million',
          value: usd(sum.usdPerMillion),
          note: sum.usdPerMillion === null ? 'too few requests' : title.toLowerCase(),
        },
      ]}
    />
  );
}

const money = (value: number | undefined): string => (value === undefined ? '–' : usdFine(value));

const splitText = ({ instanceUsd, functionUsd }: CostSum): string => `instances ${money(instanceUsd)}, functions ${money(functionUsd)}`;

const monthNames = new Intl.DateTimeFormat('en', { month: 'short', timeZone: 'UTC' });

const dayLabel = (atMs: number): string => `${new Date(atMs).getUTCDate()} ${monthNames.format(atMs)}`;

const hourLabel = (atMs: number): string => `${new Date(atMs).toISOString().slice(11, 16)}`;

interface TablesProps {
  readonly items: CostsBody['items'];
  readonly span: CostSpan;
  readonly step: 'hour' | 'day';
}

function Tables({ items, span, step }: TablesProps): ReactElement {
  const sums = sumsByTime(items, span);
  const first = sums.findIndex(({ totalUsd, requests, failedRequests }) => totalUsd > 0 || requests + failedRequests > 0);
  const labelOf = step === 'day' ? dayLabel : hourLabel;
  const legend = (
    <Legend
      items={[
        { label: 'instances', color: 'inst' },
        { label: 'functions', color: 'func' },
      ]}
    />
  );
  return (
    <>
      <Card title={`Cost per ${step}`} aside={legend}>
        <CostBars sums={sums} labelOf={labelOf} step={step} />
      </Card>
      <div className="grid top">
        <Card title="By endpoint" span={12} footer="Deleted endpoints are included.">
          <ByEndpoint sums={sumsByEndpoint(items)} />
        </Card>
        <Card title={`By ${step}`} span={12}>
          <DataTable
            caption={`Costs by ${step}, latest first`}
            // Days before the first use have nothing to show.
            rows={sums.slice(Math.max(0, first)).toReversed()}
            keyOf={({ atMs }) => String(atMs)}
            isDense
            columns={[
              { title: step === 'day' ? 'Day' : 'Hour (UTC)', cell: ({ atMs }) => labelOf(atMs), sort: ({ atMs }) => atMs },
              ...(columns as readonly TableColumn<TimedSum>[]),
            ]}
          />
        </Card>
      </div>
    </>
  );
}

const columns: readonly TableColumn<CostSum>[] = [
  { title: 'Instances', isNumber: true, isWide: true, cell: (sum) => money(sum.instanceUsd), sort: (sum) => sum.instanceUsd },
  { title: 'Functions', isNumber: true, isWide: true, cell: (sum) => money(sum.functionUsd), sort: (sum) => sum.functionUsd },
  { title: 'Total', isNumber: true, cell: (sum) => <b>{money(sum.totalUsd)}</b>, sort: (sum) => sum.totalUsd },
  { title: 'Answered', isNumber: true, cell: (sum) => count(sum.requests), sort: (sum) => sum.requests },
  { title: 'Per million', isNumber: true, isWide: true, cell: (sum) => usd(sum.usdPerMillion), sort: (sum) => sum.usdPerMillion },
  { title: 'Cold starts', isNumber: true, isWide: true, cell: (sum) => count(sum.coldStarts), sort: (sum) => sum.coldStarts },
];

function ByEndpoint({ sums }: { readonly sums: readonly NamedSum[] }): ReactElement {
  const { data } = useQuery(endpointsQuery());
  const existing = new Set(data?.items.map(({ name }) => name));
  const total = costSumTotal(sums);
  return (
    <DataTable
      caption="Costs by endpoint, the most expensive first"
      rows={sums}
      keyOf={({ endpoint }) => endpoint}
      columns={[
        {
          title: 'Endpoint',
          sort: ({ endpoint }) => endpoint,
          cell: ({ endpoint, variants, totalUsd }) => (
            <>
              {data === undefined || existing.has(endpoint) ? (
                <Link className="name" to="/endpoints/$endpoint" params={{ endpoint }}>
                  {endpoint}
                </Link>
              ) : (
                <b>{endpoint}</b>
              )}
              <span className="two">
                {total === 0 ? '' : `${percent(totalUsd / total)} % of the total`}
                {variants.length > 1 ? `, ${plural(variants.length, 'variant')}` : ''}
                {data === undefined || existing.has(endpoint) ? '' : ', deleted'}
              </span>
            </>
          ),
        },
        ...(columns as readonly TableColumn<NamedSum>[]),
      ]}
    />
  );
}

const costSumTotal = (sums: readonly CostSum[]): number => sums.reduce((total, { totalUsd }) => total + totalUsd, 0);
