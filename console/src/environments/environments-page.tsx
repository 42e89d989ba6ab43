/** Python environments: what is there, what is in them, and how their builds go. */
import './environments-page.css';
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { EnvironmentBody } from '../../../src/api/index.ts';
import { getAll, path, remove } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { bytes, count, plural } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';
import { Empty } from '../kit/page/empty.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useSearchValues } from '../kit/page/search-state.ts';
import { CreateEnvironment } from './create-environment.tsx';
import { EnvironmentDetail } from './environment-detail.tsx';
import { EnvironmentMark } from './environment-mark.tsx';

const buildingEveryMs = 1000;
const otherwiseEveryMs = 15_000;

export function EnvironmentsPage(): ReactElement {
  const mayDeploy = useHasPermission('deploy');
  const client = useQueryClient();
  const [{ name }, change] = useSearchValues();
  const [dialog, setDialog] = useState<'create' | 'delete' | null>(null);
  const query = useQuery({
    queryKey: ['environments'],
    queryFn: ({ signal }) => getAll<EnvironmentBody>('/environments', {}, signal),
    refetchInterval: ({ state: { data } }) => (data?.items.some(({ state }) => state === 'building') ? buildingEveryMs : otherwiseEveryMs),
  });
  const items = query.data?.items ?? [];
  const selected = items.find((each) => each.name === name);
  const reload = (): Promise<void> => client.invalidateQueries({ queryKey: ['environments'] });
  const isDeletable = mayDeploy && selected?.kind === 'built';
  return (
    <PageLayout
      title="Environments"
      facts={<span>Python packages that models run with. An environment never changes once it is built.</span>}
      actions={
        mayDeploy ? (
          <Button variant="filled" leftSection={<Icon name="plus" />} onClick={() => setDialog('create')}>
            Create an environment
          </Button>
        ) : undefined
      }
    >
      {dialog === 'create' ? (
        <CreateEnvironment
          onClose={() => setDialog(null)}
          onCreated={async (created) => {
            await reload();
            change({ name: created });
          }}
        />
      ) : null}
      {dialog === 'delete' && selected !== undefined ? (
        <DeleteEnvironment
          environment={selected}
          onClose={() => setDialog(null)}
          onDeleted={async () => {
            change({ name: undefined });
            await reload();
          }}
        />
      ) : null}
      <LoadedContent query={query} what="The environments could not be loaded.">
        {() =>
          items.length === 0 ? <NoEnvironments /> : <EnvironmentTable items={items} name={name} onOpen={(one) => change({ name: one })} />
        }
      </LoadedContent>
      {selected === undefined ? null : (
        <EnvironmentDetail key={selected.name} environment={selected} onDelete={isDeletable ? () => setDialog('delete') : null} />
      )}
    </PageLayout>
  );
}

function NoEnvironments(): ReactElement {
  return (
    <div className="section">
      <Empty title="No environments yet" command="penstock environments create sklearn">
        Models in Python need the packages that they were made with. ONNX models need none.
      </Empty>
    </div>
  );
}

interface TableProps {
  readonly items: readonly EnvironmentBody[];
  readonly name: string | undefined;
  readonly onOpen: (name: string) => void;
}

function EnvironmentTable({ items, name: open, onOpen }: TableProps): ReactElement {
  const columns: readonly TableColumn<EnvironmentBody>[] = [
    {
      title: 'Environment',
      sort: ({ name }) => name,
      cell: ({ name, lock }) =>
        name === null ? (
          <span className="dim">of a model, {lock?.slice(0, 12) ?? 'not built'}</span>
        ) : (
          <button type="button" className="name environment-name" aria-expanded={name === open} onClick={() => onOpen(name)}>
            {name}
          </button>
        ),
    },
    { title: 'State', sort: ({ state }) => state, cell: ({ state }) => <EnvironmentMark state={state} /> },
    {
      title: 'Python',
      isWide: true,
      sort: ({ python_version: version }) => version,
      cell: ({ python_version: version }) => version ?? '–',
    },
    { title: 'Packages', isNumber: true, isWide: true, cell: ({ packages }) => count(packages) },
    { title: 'Size', isNumber: true, sort: ({ bytes: size }) => size, cell: ({ bytes: size }) => bytes(size) },
    {
      title: 'Used by',
      isWide: true,
      cell: ({ users }) => (users.length === 0 ? <span className="dim">–</span> : plural(users.length, 'version')),
    },
    { title: 'Last used', isWide: true, cell: ({ used_at: at }) => (at === null ? <span className="dim">–</span> : <Ago at={at} />) },
  ];
  return (
    <Card
      title="Environments"
      className="section"
      footer="Environments without a name belong to models, and are deleted a week after their last use."
    >
      <DataTable
        caption="Environments"
        columns={columns}
        rows={items}
        keyOf={({ name, lock, created_at: at }) => name ?? `${lock} ${at}`}
        isSelected={({ name }) => name !== null && name === open}
      />
    </Card>
  );
}

interface DeleteProps {
  readonly environment: EnvironmentBody;
  readonly onClose: () => void;
  readonly onDeleted: () => Promise<void>;
}

function DeleteEnvironment({ environment: { name, state, users }, onClose, onDeleted }: DeleteProps): ReactElement {
  const consequences = [
    state === 'building' ? 'Its build is stopped.' : 'New versions can no longer name it.',
    users.length === 0
      ? 'No model version runs in it: its packages are deleted a week after their last use.'
      : `${plural(users.length, 'version')} that run in it keep their packages: ${users.slice(0, 5).join(', ')}.`,
  ];
  return (
    <Confirm
      title={`Delete environment ${name}?`}
      consequences={consequences}
      action="Delete environment"
      onConfirm={async () => {
        await remove(path('/environments/:environment', { environment: name ?? '' }));
        await onDeleted();
      }}
      onClose={onClose}
    />
  );
}
