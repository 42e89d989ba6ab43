/** Event rules and their targets, and deliveries that have not succeeded. */
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { DeliveryBody, PageBody, RuleBody } from '../../../src/api/index.ts';
import { get, getAll, path, remove } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { breakable } from '../kit/breakable.tsx';
import { Card } from '../kit/card.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { count, sentence } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { type StateKind, StateMark } from '../kit/state-mark.tsx';
import { RuleForm } from './rule-form.tsx';

const shownDeliveries = 100;

type Dialog = { readonly kind: 'create' } | { readonly kind: 'change' | 'delete'; readonly rule: RuleBody };

export function RulesTab(): ReactElement {
  const mayDeploy = useHasPermission('deploy');
  const [dialog, setDialog] = useState<Dialog | null>(null);
  const rules = useQuery({
    queryKey: ['rules'],
    queryFn: ({ signal }) => getAll<RuleBody>('/rules', {}, signal),
    refetchInterval: 15_000,
  });
  const deliveries = useQuery({
    queryKey: ['rules', 'deliveries'],
    queryFn: ({ signal }) => get<PageBody<DeliveryBody>>('/rules/deliveries', { limit: shownDeliveries }, signal),
    refetchInterval: 15_000,
  });
  return (
    <>
      {dialog === null ? null : <RuleDialog dialog={dialog} onClose={() => setDialog(null)} />}
      <Card
        title="Rules"
        end={
          mayDeploy ? (
            <Button variant="filled" leftSection={<Icon name="plus" />} onClick={() => setDialog({ kind: 'create' })}>
              Create a rule
            </Button>
          ) : undefined
        }
        footer="A rule sends matching events to URLs and log groups. EventBridge clients also transform what a target receives."
      >
        <LoadedContent query={rules} what="The rules could not be loaded.">
          {({ items }) => <RuleTable items={items} onAction={mayDeploy ? setDialog : null} />}
        </LoadedContent>
      </Card>
      <Card
        title="Pending and failed deliveries"
        footer="Deliveries of rules, alarm actions and topics of asynchronous endpoints. Abandoned deliveries are retained for 14 days."
      >
        <LoadedContent query={deliveries} what="The deliveries could not be loaded." heights={[120]}>
          {({ items }) => <DeliveryTable items={items} />}
        </LoadedContent>
      </Card>
    </>
  );
}

function RuleDialog({ dialog, onClose }: { readonly dialog: Dialog; readonly onClose: () => void }): ReactElement {
  const client = useQueryClient();
  const reload = (): Promise<void> => client.invalidateQueries({ queryKey: ['rules'] });
  if (dialog.kind !== 'delete') {
    return <RuleForm rule={dialog.kind === 'change' ? dialog.rule : null} onClose={onClose} onSaved={reload} />;
  }
  const { name } = dialog.rule;
  return (
    <Confirm
      title={`Delete rule ${name}?`}
      consequences={['Its targets receive no more events.', 'Deliveries that wait for a retry are still attempted.']}
      action="Delete rule"
      onConfirm={async () => {
        await remove(path('/rules/:rule', { rule: name }));
        await reload();
      }}
      onClose={onClose}
    />
  );
}

const ruleStates: Readonly<Record<RuleBody['state'], readonly [StateKind, string]>> = {
  enabled: ['ok', 'Enabled'],
  disabled: ['zero', 'Disabled'],
  'set-aside': ['warn', 'Faulty'],
};

interface RuleTableProps {
  readonly items: readonly RuleBody[];
  /** Null if the caller may not change rules. */
  readonly onAction: ((dialog: Dialog) => void) | null;
}

function RuleTable({ items, onAction }: RuleTableProps): ReactElement {
  return (
    <DataTable
      caption="Rules, by name"
      rows={items}
      keyOf={({ name }) => name}
      whenEmpty="No rules yet: events are not delivered anywhere."
      columns={[
        { title: 'Rule', className: 'said', sort: ({ name }) => name, cell: (rule) => <Name rule={rule} /> },
        {
          title: 'State',
          sort: ({ state }) => state,
          cell: ({ state }) => <StateMark kind={ruleStates[state][0]}>{ruleStates[state][1]}</StateMark>,
        },
        { title: 'Targets', isWide: true, className: 'said', cell: ({ targets }) => <Targets targets={targets} /> },
        { title: 'Waiting', isNumber: true, isWide: true, cell: ({ deliveries }) => count(deliveries.waiting) },
        { title: 'Failing', isNumber: true, cell: ({ deliveries }) => count(deliveries.failing) },
        { title: 'Abandoned', isNumber: true, isWide: true, cell: ({ deliveries }) => count(deliveries.given_up) },
        ...(onAction === null ? [] : [{ title: 'Actions', cell: (rule: RuleBody) => <RuleActions rule={rule} onAction={onAction} /> }]),
      ]}
    />
  );
}

function RuleActions({ rule, onAction }: { readonly rule: RuleBody; readonly onAction: (dialog: Dialog) => void }): ReactElement {
  return (
    <span className="row wrap">
      <Button size="sm" onClick={() => onAction({ kind: 'change', rule })} aria-label={`Change ${rule.name}`}>
        Change
      </Button>
      <Button size="sm" onClick={() => onAction({ kind: 'delete', rule })} aria-label={`Delete ${rule.name}`}>
        Delete
      </Button>
    </span>
  );
}

function Name({ rule: { name, description, fault } }: { readonly rule: RuleBody }): ReactElement {
  return (
    <>
      <b>{name}</b>
      {description === '' ? null : <span className="two">{description}</span>}
      {fault === null ? null : <span className="two">{sentence(fault)}</span>}
    </>
  );
}

function Targets({ targets }: Pick<RuleBody, 'targets'>): ReactElement {
  if (targets.length === 0) return <span className="dim">none</span>;
  return (
    <>
      {targets.map(({ id, arn }) => (
        <div key={id} className="mono">
          {breakable(arn)}
        </div>
      ))}
    </>
  );
}

const deliveryStates: Readonly<Record<DeliveryBody['state'], readonly [StateKind, string]>> = {
  waiting: ['changing', 'Waiting'],
  failing: ['warn', 'Failing'],
  given_up: ['bad', 'Abandoned'],
};

function DeliveryTable({ items }: { readonly items: readonly DeliveryBody[] }): ReactElement {
  return (
    <DataTable
      caption="Pending and failed deliveries, latest first"
      rows={items}
      keyOf={({ id }) => id}
      isDense
      whenEmpty="No pending or failed deliveries."
      columns={[
        { title: 'Rule', className: 'said kind', cell: ({ rule }) => <b>{breakable(rule)}</b> },
        { title: 'Target', isWide: true, className: 'said', cell: ({ target }) => <span className="mono">{breakable(target.arn)}</span> },
        {
          title: 'State',
          cell: ({ state, attempts }) => (
            <>
              <StateMark kind={deliveryStates[state][0]}>{deliveryStates[state][1]}</StateMark>
              {attempts === 0 ? null : <span className="two">{attempts === 1 ? 'tried once' : `tried ${count(attempts)} times`}</span>}
            </>
          ),
        },
        { title: 'Reason', isWide: true, className: 'said', cell: ({ reason }) => reason ?? <span className="dim">–</span> },
        { title: 'Since', className: 'nw', cell: ({ created_at: at }) => <Ago at={at} /> },
      ]}
    />
  );
}
