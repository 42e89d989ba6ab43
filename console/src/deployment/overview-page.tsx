/** The overview: objectives, cost and recent events of all endpoints. */
import { Button, SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { OverviewBody } from '../../../src/api/index.ts';
import { useLive } from '../api/live.tsx';
import { overviewQuery, recentEventsQuery } from '../api/queries.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { Legend } from '../kit/charts/legend.tsx';
import { TimeChart } from '../kit/charts/time-chart.tsx';
import { EventList } from '../kit/event-list.tsx';
import { plural, usd } from '../kit/format/format.ts';
import { isNews } from '../kit/format/format-event.ts';
import { Icon } from '../kit/icon.tsx';
import { NumberStrip } from '../kit/number-strip.tsx';
import { LiveFact } from '../kit/page/live-switch.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useSearchValue } from '../kit/page/search-state.ts';
import { TimeRange, useTimeRange } from '../kit/page/time-range.tsx';
import { bySeverity, requiresAttention } from './endpoint-state.ts';
import { EndpointTable } from './endpoint-table.tsx';
import { NoEndpoints } from './no-endpoints.tsx';
import { overviewNumbers } from './overview-numbers.ts';
import './deployment.css';

export function OverviewPage(): ReactElement {
  const range = useTimeRange('1h');
  useLive({ spanS: range.live.spanS });
  const overview = useQuery(overviewQuery(range.live.spanS));
  const mayDeploy = useHasPermission('deploy');
  const total = overview.data?.endpoints.length ?? 0;
  return (
    <PageLayout
      title="Overview"
      facts={
        <>
          {overview.data === undefined ? null : <span>{plural(total, 'endpoint')}</span>}
          <LiveFact />
        </>
      }
      actions={
        <>
          <TimeRange range={range} names={['1h', '6h', '24h', '7d']} />
          {mayDeploy && total > 0 ? (
            <Button variant="filled" leftSection={<Icon name="plus" />} renderRoot={(props: object) => <Link to="/deploy" {...props} />}>
              Deploy a model
            </Button>
          ) : null}
        </>
      }
    >
      <LoadedContent query={overview} what="The overview could not be loaded." heights={[92, 320, 300]}>
        {(data) =>
          data.endpoints.length === 0 ? <NoEndpoints /> : <Numbers overview={data} title={range.title} spanS={range.live.spanS} />
        }
      </LoadedContent>
    </PageLayout>
  );
}

interface NumbersProps {
  readonly overview: OverviewBody;
  readonly title: string;
  readonly spanS: number;
}

function Numbers({ overview, title, spanS }: NumbersProps): ReactElement {
  const [filter, setFilter] = useSearchValue('show', 'all');
  const problems = overview.endpoints.filter(requiresAttention);
  const shown = (filter === 'attention' ? problems : overview.endpoints).toSorted(bySeverity);
  return (
    <>
      <NumberStrip numbers={overviewNumbers(overview, title)} />
      <Card
        title="Endpoints"
        aside={
          <Legend
            items={[
              { label: "the objective's percentile", color: 'p95', mark: 'line' },
              { label: 'objective', color: 'bad', mark: 'dash' },
            ]}
          />
        }
        end={
          <SegmentedControl
            aria-label="Filter"
            value={filter}
            onChange={setFilter}
            data={[
              { value: 'all', label: `All ${overview.endpoints.length}` },
              { value: 'attention', label: `Attention ${problems.length}` },
            ]}
          />
        }
      >
        <EndpointTable endpoints={shown} whenEmpty="Nothing needs attention." />
      </Card>
      <div className="grid">
        <Money overview={overview} spanS={spanS} />
        <Events />
      </div>
    </>
  );
}

const money = (value: number, isAxis: boolean): string => (isAxis ? `$${value.toFixed(value >= 1 || value === 0 ? 2 : 3)}` : usd(value));

function Money({ overview, spanS }: { readonly overview: OverviewBody; readonly spanS: number }): ReactElement {
  const { at, instance_usd_per_hour: instances, function_usd_per_hour: functions } = overview.money;
  const to = Math.floor(Date.parse(overview.at) / 1000);
  return (
    <TimeChart
      title="Cost per hour, all endpoints"
      span={7}
      at={at}
      isStacked
      lines={[
        { label: 'instances', color: 'inst', values: instances },
        { label: 'functions', color: 'func', values: functions },
      ]}
      range={[to - spanS, to]}
      unit="$ per hour"
      height={272}
      format={money}
      syncKey="overview"
    />
  );
}

function Events(): ReactElement {
  const events = useQuery(recentEventsQuery({ limit: 60 }));
  return (
    <Card
      title="Events"
      span={5}
      end={
        <Link to="/monitoring" search={{ tab: 'events' }}>
          All events
        </Link>
      }
    >
      <LoadedContent query={events} what="Events could not be loaded." heights={[240]}>
        {({ items }) => {
          const news = items.filter(isNews).slice(0, 8);
          return news.length === 0 ? <p className="body mut">No events yet.</p> : <EventList events={news} />;
        }}
      </LoadedContent>
    </Card>
  );
}
