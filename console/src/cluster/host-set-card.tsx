/** The set of hosts that the node that serves scales: how many it should have and has, its limits, and what was decided last. */
import type { ReactElement } from 'react';
import type { ClusterBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { DataTable, type TableColumn } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { count, plural, sentence } from '../kit/format/format.ts';
import { Note } from '../kit/page/note.tsx';
import { Pairs } from '../kit/pairs.tsx';
import { StateMark } from '../kit/state-mark.tsx';

type HostSet = NonNullable<ClusterBody['scaling']>;
type HostSetDecision = HostSet['decisions'][number];

export function HostSetCard({ scaling }: { readonly scaling: HostSet }): ReactElement {
  const { set, wanted, hosts, linked, min, max, draining, reason, problem, decisions } = scaling;
  const number = (value: number | null): string => (value === null ? 'not known yet' : count(value));
  return (
    <Card
      title={`Hosts of ${set}`}
      className="section"
      aside={<HostSetMark scaling={scaling} />}
      footer="A host is added when workers need it, and ends after 10 min without need for it."
    >
      {problem === null ? null : (
        <div className="body">
          <Note tone="warn" title={`${set} is not scaled.`}>
            {sentence(problem)}
          </Note>
        </div>
      )}
      <div className="body">
        <Pairs
          pairs={[
            ['Wanted', number(wanted)],
            ['Running', `${number(hosts)}, ${count(linked)} linked`],
            ['Limits', `${count(min)} to ${count(max)}`],
            ...(draining === null ? [] : [['Draining', draining] as const]),
            [
              'Because',
              <span key="because" className="placement-why">
                {sentence(reason)}
              </span>,
            ],
          ]}
        />
      </div>
      <DataTable
        caption="Decisions about the number of hosts, the latest first"
        columns={decisionColumns}
        rows={decisions}
        keyOf={({ id }) => id}
        whenEmpty="Its number was not changed yet."
      />
    </Card>
  );
}

function HostSetMark({ scaling: { wanted, hosts, linked, problem } }: { readonly scaling: HostSet }): ReactElement {
  if (problem !== null) return <StateMark kind="warn">Not scaled</StateMark>;
  const isSteady = hosts !== null && (wanted ?? hosts) === hosts && linked === hosts;
  return isSteady ? <StateMark kind="ok">As wanted</StateMark> : <StateMark kind="changing">Changing</StateMark>;
}

/** `3 → 4 hosts`, `gpu-2 drains`, `gpu-2 returns`. */
function changeText({ inputs, chosen: { action, hosts, host } }: HostSetDecision): string {
  if (action === 'scale') return `${inputs.hosts} → ${plural(hosts, 'host')}`;
  return `${host} ${action === 'drain' ? 'drains' : 'returns'}`;
}

/** `Not 5 hosts: more than the limit of 4.` */
function alternativesText({ alternatives }: HostSetDecision): string {
  return alternatives.map(({ hosts, text }) => `Not ${plural(hosts, 'host')}: ${text}.`).join(' ');
}

const decisionColumns: readonly TableColumn<HostSetDecision>[] = [
  { title: 'Change', cell: (decision) => <span className="host-set-change">{changeText(decision)}</span> },
  {
    title: 'Why',
    cell: (decision) => (
      <span className="mut placement-why">
        {sentence(decision.reason)}
        <span className="two">{alternativesText(decision)}</span>
      </span>
    ),
  },
  {
    title: 'When',
    isWide: true,
    cell: ({ at }) => (
      <span className="placement-when">
        <Ago at={at} />
      </span>
    ),
  },
];
