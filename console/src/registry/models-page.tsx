/** Models: the groups there are, a place to bring another, and those that are ready. */
import './registry.css';
import { Button, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { EndpointBody, GroupBody } from '../../../src/api/index.ts';
import { endpointsQuery, groupsQuery } from '../api/queries.ts';
import { useMay } from '../api/session.ts';
import { Ago } from '../kit/ago.tsx';
import { Card } from '../kit/card.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Empty } from '../kit/empty.tsx';
import { plural } from '../kit/format.ts';
import { Icon } from '../kit/icon.tsx';
import { Loaded } from '../kit/loaded.tsx';
import { Page } from '../kit/page.tsx';
import { useSearchValues } from '../kit/search-state.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { Catalogue } from './catalogue.tsx';
import { endpointsOf } from './serving-where.ts';
import { Upload } from './upload.tsx';

export function ModelsPage(): ReactElement {
  const groups = useQuery(groupsQuery());
  const [{ upload }, change] = useSearchValues();
  const mayRegister = useMay('register');
  const navigate = useNavigate();
  const items = groups.data?.items ?? [];
  const versions = items.reduce((sum, { versions: count }) => sum + count, 0);
  const isUploading = mayRegister && (upload !== undefined || (groups.data !== undefined && items.length === 0));
  const open = (version: string): void => void navigate({ to: '/models/$group', params: { group: version.split('/')[0] ?? '' } });
  return (
    <Page
      title="Models"
      facts={
        groups.data === undefined || items.length === 0 ? (
          <span>Families of versions. Only approved versions are deployed.</span>
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
        <Upload onRegistered={open} {...(items.length === 0 ? {} : { onCancel: () => change({ upload: undefined }) })} />
      ) : null}
      <Loaded query={groups} what="The models could not be loaded.">
        {({ items: all }) => (all.length === 0 ? <None mayRegister={mayRegister} /> : <Groups groups={all} />)}
      </Loaded>
      <Catalogue />
    </Page>
  );
}

function None({ mayRegister }: { readonly mayRegister: boolean }): ReactElement | null {
  if (mayRegister) return null; // the place to drop a file says it all
  return (
    <div className="section">
      <Empty title="No model is registered yet">Whoever may register brings one here, or takes one of those that are ready.</Empty>
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
        whenEmpty="No group is called that."
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
