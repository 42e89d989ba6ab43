/** The list of endpoints, with a filter. */
import { Button, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useDeferredValue } from 'react';
import { useLive } from '../api/live.tsx';
import { overviewQuery } from '../api/queries.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { plural } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';
import { LiveFact } from '../kit/page/live-switch.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useSearchValues } from '../kit/page/search-state.ts';
import { bySeverity } from './endpoint-state.ts';
import { EndpointTable } from './endpoint-table.tsx';
import { NoEndpoints } from './no-endpoints.tsx';
import './deployment.css';

const spanS = 3600;

export function EndpointsPage(): ReactElement {
  useLive({ spanS });
  const overview = useQuery(overviewQuery(spanS));
  const mayDeploy = useHasPermission('deploy');
  const [{ find = '' }, change] = useSearchValues();
  const wanted = useDeferredValue(find.trim().toLowerCase());
  const total = overview.data?.endpoints.length ?? 0;
  return (
    <PageLayout
      title="Endpoints"
      facts={
        <>
          {overview.data === undefined ? null : <span>{plural(total, 'endpoint')}, latency and cost of the last hour</span>}
          <LiveFact />
        </>
      }
      actions={
        mayDeploy && total > 0 ? (
          <Button variant="filled" leftSection={<Icon name="plus" />} renderRoot={(props: object) => <Link to="/deploy" {...props} />}>
            Deploy a model
          </Button>
        ) : undefined
      }
    >
      <LoadedContent query={overview} what="Endpoints could not be loaded." heights={[400]}>
        {({ endpoints }) =>
          endpoints.length === 0 ? (
            <NoEndpoints />
          ) : (
            <Card
              title={wanted === '' ? 'All' : `Matching “${wanted}”`}
              end={
                <TextInput
                  data-filter
                  aria-label="Filter by name or model"
                  placeholder="Filter by name or model"
                  value={find}
                  onChange={(event) => change({ find: event.currentTarget.value }, { replace: true })}
                />
              }
            >
              <EndpointTable
                endpoints={endpoints
                  .filter(({ name, models }) => [name, ...models].some((text) => text.toLowerCase().includes(wanted)))
                  .toSorted(bySeverity)}
                whenEmpty="No matching endpoints."
              />
            </Card>
          )
        }
      </LoadedContent>
    </PageLayout>
  );
}
