/** The models page: groups, upload, and the catalogue. */
import './registry.css';
import { Button, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { EndpointBody, GroupBody } from '../../../src/api/index.ts';
import { endpointsQuery, groupsQuery } from '../api/queries.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { plural } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';
import { Empty } from '../kit/page/empty.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useSearchValues } from '../kit/page/search-state.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { CatalogueCard } from './catalogue.tsx';
import { endpointsOf } from './serving-endpoints.ts';
import { UploadCard } from './upload/upload.tsx';

export function ModelsPage(): ReactElement {
  const groups = useQuery(groupsQuery());
  const [{ upload }, change] = useSearchValues();
  const mayRegister = useHasPermission('register');
  const navigate = useNavigate();
  const items = groups.data?.items ?? [];
  const versions = items.reduce((sum, { versions: count }) => sum + count, 0);
  const isUploading = mayRegister && (upload !== undefined || (groups.data !== undefined && items.length === 0));
  const open = (version: string): void => void navigate({ to: '/models/$group', params: { group: version.split('/')[0] ?? '' } });
  return (
    <PageLayout
      title="Models"
      facts={
        groups.data === undefined || items.length === 0 ? (
          <span>Groups of model versions. Only approved versions can be deployed.</span>
        ) : (
          <span>
            {plural(items.length, 'group')}, {plural(versions, 'version')}
          </span>
        )
      }
      actions={
        mayRegister && !isUploading ? (
          <Button variant="filled" leftSection={<Icon name="upload" />} onClick={() => change({ upload: '1' })}>
            Upload a model
          </Button>
        ) : undefined
      }
    >
      {isUploading ? (
        <UploadCard onRegistered={open} {...(items.length === 0 ? {} : { onCancel: () => change({ upload: undefined }) })} />
      ) : null}
      <LoadedContent query={groups} what="The models could not be loaded.">
        {({ items: all }) => (all.length === 0 ? <None mayRegister={mayRegister} /> : <Groups groups={all} />)}
      </LoadedContent>
      <CatalogueCard />
    </PageLayout>
  );
}

function None({ mayRegister }: { readonly mayRegister: boolean }): ReactElement | null {
  if (mayRegister) return null; // the upload card is shown instead
  return (
    <div className="section">
      <Empty title="No models yet">A user with permission to register can upload a model or use one from the catalogue.</Empty>
    </div>
  );
}

function Groups({ groups }: { readonly groups: readonly GroupBody[] }): ReactElement {
  const { data: endpoints } = useQuery(endpointsQuery());
  const [filter, setFilter] = useState('');
  const wanted = filter.trim().toLowerCase();
  const shown = groups.filter(({ name, description }) => `${name} ${description}`.toLowerCase().includes(wanted));
  return (
    <Card
      title="Groups"
      className="section"
      end={
        groups.length < 8 ? undefined : (
          <TextInput
            data-filter
            aria-label="Filter groups"
            placeholder="Filter"
            value={filter}
            onChange={(event) => setFilter(event.currentTarget.value)}
          />
        )
      }
    >
      <DataTable
        caption="Model groups"
        columns={columnsWith(endpoints?.items ?? [])}
        rows={shown}
        keyOf={({ name }) => name}
        whenEmpty="No matching groups."
      />
    </Card>
  );
}

function columnsWith(endpoints: readonly EndpointBody[]): readonly TableColumn<GroupBody>[] {
  return [
    {
      title: 'Group',
      sort: ({ name }) => name,
      cell: (group) => (
        <>
          <Link className="name" to="/models/$group" params={{ group: group.name }}>
            {group.name}
          </Link>
          {group.description === '' ? null : <span className="two">{group.description}</span>}
        </>
      ),
    },
    { title: 'Versions', isNumber: true, sort: ({ versions }) => versions, cell: ({ versions }) => versions },
    {
      title: 'Latest',
      sort: ({ latest_version: latest }) => latest,
      cell: ({ latest_version: latest, latest_approved: approved }) =>
        latest === null ? (
          <span className="dim">–</span>
        ) : latest === approved ? (
          <StateMark kind="ok">{latest}, approved</StateMark>
        ) : (
          <StateMark kind="warn">{latest}, not approved</StateMark>
        ),
    },
    {
      title: 'Approved',
      isNumber: true,
      isWide: true,
      cell: ({ latest_approved: approved }) => approved ?? <span className="dim">–</span>,
    },
    {
      title: 'Serving',
      isWide: true,
      cell: ({ name }) => {
        const serving = endpointsOf(endpoints, name);
        if (serving.length === 0) return <span className="dim">–</span>;
        return serving.length > 3 ? plural(serving.length, 'endpoint') : serving.map((endpoint) => endpoint.name).join(', ');
      },
    },
    {
      title: 'Created',
      isWide: true,
      sort: ({ created_at: at }) => Date.parse(at),
      cell: ({ created_at: at }) => <Ago at={at} />,
    },
  ];
}
