/** Batch transforms with their progress, skipped records and objects. */
import { Button, Progress } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { TransformBody, TransformObjectBody } from '../../../src/api/index.ts';
import { path, post } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { bytes, count, duration, percent } from '../kit/format/format.ts';
import { Empty } from '../kit/page/empty.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { useSearchValue } from '../kit/page/search-state.ts';
import { type StateKind, StateMark } from '../kit/state-mark.tsx';
import { transformObjectsQuery, transformsQuery } from './job-queries.ts';

const states: Readonly<Record<TransformBody['state'], readonly [StateKind, string]>> = {
  InProgress: ['changing', 'Running'],
  Completed: ['ok', 'Done'],
  Failed: ['bad', 'Failed'],
  Stopping: ['changing', 'Stopping'],
  Stopped: ['zero', 'Stopped'],
};

export function TransformsTab(): ReactElement {
  const query = useQuery(transformsQuery());
  const [chosen] = useSearchValue('transform', '');
  return (
    <>
      <Card title="Transforms" footer="Transforms continue after a restart of the server. A stopped transform resumes where it left off.">
        <LoadedContent query={query} what="The transforms could not be loaded.">
          {({ items }) =>
            items.length === 0 ? (
              <div className="body">
                <Empty
                  title="No transforms yet"
                  command="penstock transform digits/3 --input s3://bucket/in --output s3://bucket/out --wait"
                >
                  A transform runs a model version over all objects under a prefix, or all files in a folder, and writes one result per
                  object.
                </Empty>
              </div>
            ) : (
              <TransformTable items={items} chosen={chosen} />
            )
          }
        </LoadedContent>
      </Card>
      {chosen === '' ? null : <Objects transform={chosen} />}
    </>
  );
}

function TransformTable({ items, chosen }: { readonly items: readonly TransformBody[]; readonly chosen: string }): ReactElement {
  const client = useQueryClient();
  const mayDeploy = useHasPermission('deploy');
  const [, choose] = useSearchValue('transform', '');
  const [stopping, setStopping] = useState<TransformBody | null>(null);
  const change = async (name: string, verb: 'stop' | 'resume'): Promise<void> => {
    await post(path(`/transforms/:name/${verb}`, { name }));
    await client.invalidateQueries({ queryKey: ['transforms'] });
  };
  const actions: TableColumn<TransformBody> = {
    title: 'Actions',
    cell: (each) => <Actions transform={each} onStop={() => setStopping(each)} onResume={() => void change(each.name, 'resume')} />,
  };
  return (
    <>
      {stopping === null ? null : (
        <Confirm
          title={`Stop transform ${stopping.name}?`}
          consequences={[
            `${count(stopping.objects_done)} of ${count(stopping.objects)} objects are done; their results are retained.`,
            'Objects in progress are completed. You can resume the transform later.',
          ]}
          action="Stop transform"
          onConfirm={() => change(stopping.name, 'stop')}
          onClose={() => setStopping(null)}
        />
      )}
      <DataTable
        caption="Transforms, latest first"
        rows={items}
        keyOf={({ name }) => name}
        isSelected={({ name }) => name === chosen}
        columns={[...columnsFor(chosen, choose), ...(mayDeploy ? [actions] : [])]}
      />
    </>
  );
}

function columnsFor(chosen: string, choose: (name: string) => void): TableColumn<TransformBody>[] {
  return [
    {
      title: 'Transform',
      cell: ({ name, model, state }) => (
        <>
          <button type="button" className="name link" aria-expanded={name === chosen} onClick={() => choose(name === chosen ? '' : name)}>
            {name}
          </button>
          <span className="two mono">{model}</span>
          <span className="two m-only">
            <StateMark kind={states[state][0]}>{states[state][1]}</StateMark>
          </span>
        </>
      ),
    },
    { title: 'State', isWide: true, cell: ({ state }) => <StateMark kind={states[state][0]}>{states[state][1]}</StateMark> },
    { title: 'Progress', cell: (each) => <ProgressCell transform={each} /> },
    {
      title: 'Records',
      isNumber: true,
      isWide: true,
      cell: ({ records, records_skipped: skipped }) => (
        <>
          {count(records)}
          {skipped === 0 ? null : <span className="two warn">{count(skipped)} skipped</span>}
        </>
      ),
    },
    {
      title: 'Per second',
      isNumber: true,
      isWide: true,
      cell: ({ records_per_second: rate }) => count(rate === null ? null : Math.round(rate)),
    },
    { title: 'Remaining', isNumber: true, isWide: true, cell: ({ remaining_ms: left }) => (left === null ? '' : duration(left)) },
    { title: 'Input and output', isWide: true, cell: ({ input, output }) => <Locations input={input} output={output} /> },
    { title: 'Started', className: 'nw', isWide: true, cell: ({ created_at: at }) => <Ago at={at} /> },
  ];
}

function ProgressCell({
  transform: { name, bytes: all, bytes_done: done, objects, objects_done: written, objects_failed: failed, reason },
}: {
  readonly transform: TransformBody;
}): ReactElement {
  const share = all === 0 ? 0 : done / all;
  return (
    <span className="far">
      <Progress value={100 * share} aria-label={`Progress of ${name}`} size="sm" />
      <span className="two">
        {percent(share)} %, {count(written)} of {count(objects)} objects
        {failed === 0 ? null : <span className="bad">, {count(failed)} failed</span>}
      </span>
      {reason === null ? null : <span className="two said bad">{reason}</span>}
    </span>
  );
}

function Locations({ input, output }: { readonly input: string; readonly output: string }): ReactElement {
  return (
    <>
      <span className="mono said">{input}</span>
      <span className="two mono said">{output}</span>
    </>
  );
}

interface ActionsProps {
  readonly transform: TransformBody;
  readonly onStop: () => void;
  readonly onResume: () => void;
}

function Actions({ transform: { name, state }, onStop, onResume }: ActionsProps): ReactElement | null {
  if (state === 'InProgress') {
    return (
      <Button size="sm" onClick={onStop} aria-label={`Stop ${name}`}>
        Stop
      </Button>
    );
  }
  if (state !== 'Stopped' && state !== 'Failed') return null;
  return (
    <Button size="sm" onClick={onResume} aria-label={`Resume ${name}`}>
      Resume
    </Button>
  );
}

const objectStates: Readonly<Record<TransformObjectBody['state'], readonly [StateKind, string]>> = {
  waiting: ['changing', 'Waiting'],
  done: ['ok', 'Done'],
  failed: ['bad', 'Failed'],
};

function Objects({ transform }: { readonly transform: string }): ReactElement {
  const query = useQuery(transformObjectsQuery(transform));
  return (
    <Card title={`Objects of ${transform}`} footer={query.data?.next === null ? undefined : 'Shows the first 100.'}>
      <LoadedContent query={query} what="The objects could not be loaded." heights={[120]}>
        {({ items }) => (
          <DataTable
            caption={`Objects of ${transform}`}
            rows={items}
            keyOf={({ name }) => name}
            isDense
            columns={[
              { title: 'Object', sort: ({ name }) => name, cell: ({ name }) => <span className="mono">{name}</span> },
              {
                title: 'State',
                sort: ({ state }) => state,
                cell: ({ state }) => <StateMark kind={objectStates[state][0]}>{objectStates[state][1]}</StateMark>,
              },
              { title: 'Size', isNumber: true, sort: ({ bytes: size }) => size, cell: ({ bytes: size }) => bytes(size) },
              { title: 'Records', isNumber: true, cell: ({ records }) => count(records) },
              { title: 'Skipped', isNumber: true, cell: ({ records_skipped: skipped }) => count(skipped) },
              { title: 'Note', isWide: true, cell: ({ note }) => <span className="said">{note ?? ''}</span> },
            ]}
          />
        )}
      </LoadedContent>
    </Card>
  );
}
