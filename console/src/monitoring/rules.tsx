/** Who is told of events, and what of it has not arrived, with why. */
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { DeliveryBody, Page, RuleBody } from '../../../src/api/index.ts';
import { get, getAll } from '../api/client.ts';
import { Ago } from '../kit/ago.tsx';
import { breakable } from '../kit/breakable.tsx';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { count, sentence } from '../kit/format.ts';
import { Loaded } from '../kit/loaded.tsx';
import { type StateKind, StateMark } from '../kit/state-mark.tsx';

const shownDeliveries = 100;

export function Rules(): ReactElement {
  const rules = useQuery({
    queryKey: ['rules'],
    queryFn: ({ signal }) => getAll<RuleBody>('/rules', {}, signal),
    refetchInterval: 15_000,
  });
  const deliveries = useQuery({
    queryKey: ['rules', 'deliveries'],
    queryFn: ({ signal }) => get<Page<DeliveryBody>>('/rules/deliveries', { limit: shownDeliveries }, signal),
    refetchInterval: 15_000,
  });
  return (
    <>
      <Card title="Rules" footer="They come from EventBridge's API (PutRule, PutTargets).">
        <Loaded query={rules} what="The rules could not be loaded.">
          {({ items }) => <RuleTable items={items} />}
        </Loaded>
      </Card>
      <Card
        title="What has not arrived"
        footer="Of rules, of the actions of alarms and of the topics of asynchronous endpoints. What was given up is kept for 14 days."
      >
        <Loaded query={deliveries} what="The deliveries could not be loaded." heights={[120]}>
          {({ items }) => <DeliveryTable items={items} />}
        </Loaded>
      </Card>
    </>
  );
}

const ruleStates: Readonly<Record<RuleBody['state'], readonly [StateKind, string]>> = {
  enabled: ['ok', 'Enabled'],
  disabled: ['zero', 'Disabled'],
  'set-aside': ['warn', 'Set aside'],
};

function RuleTable({ items }: { readonly items: readonly RuleBody[] }): ReactElement {
  return (
    <DataTable
      caption="Rules, by name"
      rows={items}
      keyOf={({ name }) => name}
      whenEmpty="None yet: nobody is told of events."
      columns={[
        { title: 'Rule', className: 'said', sort: ({ name }) => name, cell: (rule) => <Name rule={rule} /> },
        {
          title: 'State',
          sort: ({ state }) => state,
          cell: ({ state }) => <StateMark kind={ruleStates[state][0]}>{ruleStates[state][1]}</StateMark>,
        },
        { title: 'Who is told', isWide: true, className: 'said', cell: ({ targets }) => <Targets targets={targets} /> },
        { title: 'Waiting', isNumber: true, isWide: true, cell: ({ deliveries }) => count(deliveries.waiting) },
        { title: 'Failing', isNumber: true, cell: ({ deliveries }) => count(deliveries.failing) },
        { title: 'Given up', isNumber: true, cell: ({ deliveries }) => count(deliveries.given_up) },
      ]}
    />
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
  if (targets.length === 0) return <span className="dim">nobody</span>;
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
  waiting: ['changing', 'Waits'],
  failing: ['warn', 'Fails'],
  given_up: ['bad', 'Given up'],
};

function DeliveryTable({ items }: { readonly items: readonly DeliveryBody[] }): ReactElement {
  return (
    <DataTable
      caption="What has not arrived, the latest first"
      rows={items}
      keyOf={({ id }) => id}
      isDense
      whenEmpty="Everything has arrived."
      columns={[
        { title: 'Of', className: 'said kind', cell: ({ rule }) => <b>{breakable(rule)}</b> },
        { title: 'To', isWide: true, className: 'said', cell: ({ target }) => <span className="mono">{breakable(target.arn)}</span> },
        {
          title: 'State',
          cell: ({ state, attempts }) => (
            <>
              <StateMark kind={deliveryStates[state][0]}>{deliveryStates[state][1]}</StateMark>
              {attempts === 0 ? null : <span className="two">{attempts === 1 ? 'tried once' : `tried ${count(attempts)} times`}</span>}
            </>
          ),
        },
        { title: 'Why', isWide: true, className: 'said', cell: ({ reason }) => reason ?? <span className="dim">–</span> },
        { title: 'Since', className: 'nw', cell: ({ created_at: at }) => <Ago at={at} /> },
      ]}
    />
  );
}
