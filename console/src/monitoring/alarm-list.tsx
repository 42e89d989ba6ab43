/** The alarms by endpoint. Groups without a firing alarm are folded. */
import { Button } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { AlarmBody } from '../../../src/api/index.ts';
import { DataTable } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { count } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';
import { useSearchValues } from '../kit/page/search-state.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { type AlarmGroup, alarmEndpoint, alarmGroups, alarmTab, alarmText, alarmTitle } from './alarm-groups.ts';

const stateTexts: Readonly<Record<AlarmBody['state'], readonly ['ok' | 'warn' | 'zero', string]>> = {
  ALARM: ['warn', 'Firing'],
  OK: ['ok', 'OK'],
  INSUFFICIENT_DATA: ['zero', 'No data yet'],
};

export interface AlarmListProps {
  readonly items: readonly AlarmBody[];
  /** Null if the caller may not change alarms. */
  readonly onAction: ((action: 'change' | 'delete', alarm: AlarmBody) => void) | null;
}

export function AlarmList({ items, onAction }: AlarmListProps): ReactElement {
  const { isOpen, toggle } = useFolding();
  if (items.length === 0)
    return <p className="body mut">No alarms yet. Deploy a model: its endpoint gets alarms for objective, errors and crashes.</p>;
  return (
    <ul className="alarm-groups">
      {alarmGroups(items).map((group) => (
        <Group key={group.id} group={group} isOpen={isOpen(group)} onToggle={() => toggle(group)} onAction={onAction} />
      ))}
    </ul>
  );
}

/** Groups that the user opened or folded are in the URL. The others are open if an alarm fires. */
function useFolding() {
  const [{ open = '', folded = '' }, change] = useSearchValues();
  const [opened, closed] = [open.split(','), folded.split(',')];
  const isOpen = ({ id, firing }: AlarmGroup): boolean => !closed.includes(id) && (firing > 0 || opened.includes(id));
  const toggle = (group: AlarmGroup): void => {
    const { id, firing } = group;
    const without = (ids: readonly string[]): string[] => ids.filter((each) => each !== id && each !== '');
    const willClose = isOpen(group);
    change({
      open: [...without(opened), ...(willClose || firing > 0 ? [] : [id])].join(','),
      folded: [...without(closed), ...(willClose && firing > 0 ? [id] : [])].join(','),
    });
  };
  return { isOpen, toggle };
}

interface GroupProps {
  readonly group: AlarmGroup;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
  readonly onAction: AlarmListProps['onAction'];
}

function Group({ group, isOpen, onToggle, onAction }: GroupProps): ReactElement {
  const { title, endpoint, alarms } = group;
  return (
    <li>
      <div className="row alarm-group">
        <button type="button" className="fold" aria-expanded={isOpen} onClick={onToggle}>
          <Icon name="right" />
          <b>{title}</b>
          <GroupState group={group} />
        </button>
        {endpoint === null ? null : (
          <Link className="end sm" to="/endpoints/$endpoint" params={{ endpoint }}>
            Open endpoint
          </Link>
        )}
      </div>
      {isOpen ? <AlarmTable title={title} alarms={alarms} onAction={onAction} /> : null}
    </li>
  );
}

function GroupState({ group: { alarms, firing } }: { readonly group: AlarmGroup }): ReactElement {
  if (firing > 0) return <StateMark kind="warn">{`${count(firing)} of ${count(alarms.length)} firing`}</StateMark>;
  const ok = alarms.filter(({ state }) => state === 'OK').length;
  if (ok === alarms.length) return <StateMark kind="ok">{ok === 1 ? 'OK' : `all ${count(ok)} OK`}</StateMark>;
  return <StateMark kind={ok === 0 ? 'zero' : 'ok'}>{`${count(ok)} of ${count(alarms.length)} OK, the others without data`}</StateMark>;
}

interface AlarmTableProps {
  readonly title: string;
  readonly alarms: readonly AlarmBody[];
  readonly onAction: AlarmListProps['onAction'];
}

function AlarmTable({ title, alarms, onAction }: AlarmTableProps): ReactElement {
  return (
    <DataTable
      caption={`Alarms of ${title}, firing ones first`}
      rows={alarms}
      keyOf={({ name }) => name}
      columns={[
        { title: 'Alarm', sort: alarmTitle, cell: (alarm) => <Alarm alarm={alarm} onAction={onAction} /> },
        {
          title: 'State',
          sort: ({ state }) => state,
          cell: ({ state }) => <StateMark kind={stateTexts[state][0]}>{stateTexts[state][1]}</StateMark>,
        },
        { title: 'Last evaluation', isWide: true, cell: ({ reason }) => <span className="said">{reason}</span> },
        { title: 'Since', className: 'nw', sort: ({ since }) => since, cell: ({ since }) => <Ago at={since} /> },
      ]}
    />
  );
}

function Alarm({ alarm, onAction }: { readonly alarm: AlarmBody; readonly onAction: AlarmListProps['onAction'] }): ReactElement {
  const endpoint = alarmEndpoint(alarm);
  return (
    <>
      {endpoint === null ? (
        <b>{alarmTitle(alarm)}</b>
      ) : (
        <Link className="name" to="/endpoints/$endpoint" params={{ endpoint }} search={{ tab: alarmTab(alarm) }}>
          {alarmTitle(alarm)}
        </Link>
      )}
      <span className="two said alarm-words">{alarmText(alarm)}</span>
      {alarm.state === 'ALARM' ? <span className="two said alarm-words m-only">{alarm.reason}</span> : null}
      {onAction === null || alarm.managed ? null : (
        <span className="row wrap alarm-actions">
          <Button size="sm" onClick={() => onAction('change', alarm)} aria-label={`Change ${alarm.name}`}>
            Change
          </Button>
          <Button size="sm" onClick={() => onAction('delete', alarm)} aria-label={`Delete ${alarm.name}`}>
            Delete
          </Button>
        </span>
      )}
    </>
  );
}
