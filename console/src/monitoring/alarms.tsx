/** Alarms with their state, and their history. */
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { AlarmBody, AlarmNoteBody, PageBody } from '../../../src/api/index.ts';
import { get, path, remove } from '../api/client.ts';
import { alarmsQuery } from '../api/queries.ts';
import { useHasPermission } from '../api/session.ts';
import { breakable } from '../kit/breakable.tsx';
import { Card } from '../kit/card.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { Icon } from '../kit/icon.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { useSearchValues } from '../kit/page/search-state.ts';
import { AlarmForm } from './alarm-form.tsx';
import { alarmEndpoint } from './alarm-groups.ts';
import { AlarmList } from './alarm-list.tsx';

type Note = AlarmNoteBody & { readonly alarm: string };

/** Hides entries about the creation of an alarm and its first evaluation as OK. */
function isNews({ summary }: Note): boolean {
  return !/ created$|from INSUFFICIENT_DATA to OK$/.test(summary);
}

type Dialog = { readonly kind: 'create' } | { readonly kind: 'change' | 'delete'; readonly alarm: AlarmBody };

export function AlarmsTab(): ReactElement {
  const mayDeploy = useHasPermission('deploy');
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const alarms = useQuery(alarmsQuery());
  const history = useQuery({
    queryKey: ['alarms', 'history'],
    queryFn: ({ signal }) => get<PageBody<Note>>('/alarms/history', { limit: 50 }, signal),
    refetchInterval: 15_000,
  });
  return (
    <>
      {dialog === null ? null : <AlarmDialog dialog={dialog} onClose={() => setDialog(null)} />}
      <Card
        title="Alarms"
        end={
          mayDeploy ? (
            <Button variant="filled" leftSection={<Icon name="plus" />} onClick={() => setDialog({ kind: 'create' })}>
              Create an alarm
            </Button>
          ) : undefined
        }
        footer="Every endpoint has default alarms, which cannot be changed. CloudWatch clients also create alarms on expressions over several metrics."
      >
        <LoadedContent query={alarms} what="The alarms could not be loaded.">
          {({ items }) => <AlarmList items={items} onAction={mayDeploy ? (kind, alarm) => setDialog({ kind, alarm }) : null} />}
        </LoadedContent>
      </Card>
      <Card title="History">
        <LoadedContent query={history} what="The history of alarms could not be loaded." heights={[120]}>
          {({ items }) => (
            <DataTable
              caption="Alarm history, latest first"
              rows={items.filter(isNews)}
              keyOf={({ alarm, at, summary }) => `${alarm} ${at} ${summary}`}
              isDense
              whenEmpty="No alarm has fired yet."
              columns={[
                { title: 'Alarm', className: 'parts', cell: ({ alarm }) => <span className="mono">{breakable(alarm)}</span> },
                { title: 'Change', cell: ({ alarm, summary }) => changeText(alarm, summary) },
                { title: 'When', className: 'nw', cell: ({ at }) => <Ago at={at} /> },
              ]}
            />
          )}
        </LoadedContent>
      </Card>
    </>
  );
}

/** CloudWatch's summary without the name, which is in the row: `deleted`, `updated from OK to ALARM`. */
function changeText(alarm: string, summary: string): string {
  const rest = summary.replace(`"${alarm}" `, '').replace(/^Alarm /, '');
  return `${rest.slice(0, 1).toUpperCase()}${rest.slice(1)}`;
}

function AlarmDialog({ dialog, onClose }: { readonly dialog: Dialog; readonly onClose: () => void }): ReactElement {
  const client = useQueryClient();
  const [{ open = '' }, change] = useSearchValues();
  const reload = (): Promise<void> => client.invalidateQueries({ queryKey: ['alarms'] });
  /** Unfolds the group of a new alarm, which does not fire yet. */
  const show = (alarm: AlarmBody): Promise<void> => {
    const group = alarmEndpoint(alarm) ?? '/Other';
    if (!open.split(',').includes(group)) change({ open: [open, group].filter((id) => id !== '').join(',') });
    return reload();
  };
  if (dialog.kind !== 'delete') {
    return <AlarmForm alarm={dialog.kind === 'change' ? dialog.alarm : null} onClose={onClose} onSaved={show} />;
  }
  const { name } = dialog.alarm;
  return (
    <Confirm
      title={`Delete alarm ${name}?`}
      consequences={['It no longer watches its metric and calls nothing.', 'Its history remains.']}
      action="Delete alarm"
      onConfirm={async () => {
        await remove(path('/alarms/:alarm', { alarm: name }));
        await reload();
      }}
      onClose={onClose}
    />
  );
}
