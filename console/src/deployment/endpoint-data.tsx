/** Whether what comes still looks like what used to come, how good the answers were, and what is kept of calls. */
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { DriftBody, EndpointBody } from '../../../src/api/index.ts';
import { path, post, remove } from '../api/client.ts';
import { driftQuery } from '../api/queries.ts';
import { useMay } from '../api/session.ts';
import { Ago } from '../kit/ago.tsx';
import { Card } from '../kit/card.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { count, fixed, percent, plural, sentence } from '../kit/format.ts';
import { Failure, Loaded } from '../kit/loaded.tsx';
import { Note } from '../kit/note.tsx';
import { NumberStrip } from '../kit/number-strip.tsx';
import { Pairs } from '../kit/pairs.tsx';
import { StateMark } from '../kit/state-mark.tsx';

export function EndpointData({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const drift = useQuery({ ...driftQuery(endpoint.name), refetchInterval: 30_000 });
  return (
    <Loaded query={drift} what="Drift could not be looked at." heights={[92, 300]}>
      {(data) => (
        <>
          <NumberStrip numbers={numbersOf(data)} />
          <Features endpoint={endpoint.name} drift={data} />
          <Captured endpoint={endpoint} />
        </>
      )}
    </Loaded>
  );
}

function numbersOf({ rows_seen: seen, rows_sampled: sampled, features, drifted, window_minutes: minutes, quality }: DriftBody) {
  const { accuracy, mean_absolute_error: error, labelled_rows: labelled, labelled_calls: calls } = quality;
  return [
    { label: `Rows seen, last ${minutes} min`, value: count(seen), note: `${count(sampled)} looked at` },
    {
      label: 'Features that drifted',
      value: features.length === 0 ? '–' : String(drifted),
      ...(features.length === 0 ? {} : { unit: `of ${features.length}` }),
      note: features.length === 0 ? 'nothing to compare' : drifted === 0 ? 'all as they used to be' : 'see below',
      ...(drifted > 0 ? { tone: 'bad' as const } : {}),
    },
    error === null
      ? {
          label: 'Accuracy, by labels',
          value: accuracy === null ? '–' : fixed(accuracy, 3),
          note: `${plural(labelled, 'row')} of ${plural(calls, 'call')}, last 7 days`,
        }
      : {
          label: 'Mean error, by labels',
          value: fixed(error, 3),
          note: `${plural(labelled, 'row')} of ${plural(calls, 'call')}, last 7 days`,
        },
  ];
}

function Features({ endpoint, drift }: { readonly endpoint: string; readonly drift: DriftBody }): ReactElement {
  const { baseline, features, reason, unknown_features: unknown } = drift;
  return (
    <Card
      title="Drift"
      end={<BaselineButtons endpoint={endpoint} hasBaseline={baseline !== null} />}
      footer={
        baseline === null ? undefined : (
          <>
            Against {baseline.source}, {plural(baseline.rows, 'row')}, set <Ago at={baseline.made_at} />. Drifted: the stability index is
            0.25 or more, and the KS distance is no chance, all features taken together (Benjamini-Hochberg, 5 %). Few rows alone can give a
            large index.
          </>
        )
      }
    >
      {reason === null ? null : (
        <div className="body">
          {baseline === null ? (
            <Note title="Nothing to compare with yet.">
              Take the rows of the last hour as what usually comes: from then on each feature is held against it.
            </Note>
          ) : (
            <Note title="No verdict yet.">{sentence(reason)}</Note>
          )}
        </div>
      )}
      {unknown.length === 0 ? null : (
        <div className="body">
          <Note tone="warn" title="Features that the baseline does not know:">
            {unknown.join(', ')}.
          </Note>
        </div>
      )}
      {features.length === 0 ? null : <FeatureTable features={features} />}
    </Card>
  );
}

type Feature = DriftBody['features'][number];

const spreadOf = (values: Feature['now']): string => values?.map((value) => fixed(value, 2)).join(' … ') ?? '–';

/** How likely the KS distance is by chance, as the shell tells it. */
const chanceWords = (chance: number): string => (chance < 1e-4 ? '< 0.0001' : fixed(chance, 4));

/** What the model calls it, and the file that the baseline was made of. */
function Name({ feature: { name, column } }: { readonly feature: Feature }): ReactElement {
  return (
    <span className="mono nw">
      {name}
      {column === null || column === name ? null : <span className="dim"> {column}</span>}
    </span>
  );
}

function FeatureTable({ features }: { readonly features: readonly Feature[] }): ReactElement {
  return (
    <DataTable
      caption="Features, those that drifted first"
      isDense
      rows={features}
      keyOf={({ name }) => name}
      columns={[
        { title: 'Feature', cell: (feature) => <Name feature={feature} />, sort: ({ name }) => name },
        {
          title: 'State',
          cell: ({ drifted }) => <StateMark kind={drifted ? 'warn' : 'ok'}>{drifted ? 'Drifted' : 'As it was'}</StateMark>,
          sort: ({ drifted }) => Number(drifted),
        },
        { title: 'Stability index', isNumber: true, cell: ({ psi }) => fixed(psi, 3), sort: ({ psi }) => psi },
        { title: 'KS distance', isNumber: true, isWide: true, cell: ({ ks }) => fixed(ks, 3), sort: ({ ks }) => ks },
        {
          title: 'By chance',
          isNumber: true,
          isWide: true,
          cell: ({ p_value: chance }) => chanceWords(chance),
          sort: (row) => row.p_value,
        },
        { title: 'Baseline, 5 … 50 … 95 %', isNumber: true, isWide: true, cell: ({ baseline }) => spreadOf(baseline) },
        { title: 'Now', isNumber: true, isWide: true, cell: ({ now }) => spreadOf(now) },
        { title: 'Missing', isNumber: true, isWide: true, cell: ({ missing }) => percent(missing.now), sort: ({ missing }) => missing.now },
      ]}
    />
  );
}

function BaselineButtons({ endpoint, hasBaseline }: { readonly endpoint: string; readonly hasBaseline: boolean }): ReactElement | null {
  const client = useQueryClient();
  const mayDeploy = useMay('deploy');
  const [error, setError] = useState<Error | null>(null);
  const [isRemoving, setIsRemoving] = useState(false);
  if (!mayDeploy) return null;
  const place = path('/endpoints/:endpoint/baseline', { endpoint });
  const refresh = () => client.invalidateQueries({ queryKey: driftQuery(endpoint).queryKey });
  const set = (): void => {
    setError(null);
    post(place, {}).then(refresh, setError);
  };
  return (
    <span className="row wrap">
      {error === null ? null : <Failure error={error} what="No baseline was set." />}
      <Button size="sm" onClick={set}>
        {hasBaseline ? 'Set to the last hour' : 'Take the last hour as the baseline'}
      </Button>
      {hasBaseline ? (
        <Button size="sm" onClick={() => setIsRemoving(true)}>
          Remove baseline
        </Button>
      ) : null}
      {isRemoving ? (
        <Confirm
          title={`Remove the baseline of ${endpoint}?`}
          consequences={['Drift is looked for no more, until there is another one.', 'Nothing that was captured is deleted.']}
          action="Remove baseline"
          onConfirm={() => remove(place).then(refresh)}
          onClose={() => setIsRemoving(false)}
        />
      ) : null}
    </span>
  );
}

function Captured({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const { capture } = endpoint;
  return (
    <Card title="Captured calls" padded>
      {capture === null ? (
        <p className="mut">Nothing is kept of its calls. Capture can be switched on in the settings.</p>
      ) : (
        <Pairs
          pairs={[
            [
              'Kept',
              `${percent(capture.percent / 100)} % of the calls: ${[capture.inputs ? 'inputs' : '', capture.outputs ? 'outputs' : ''].filter(Boolean).join(' and ')}`,
            ],
            ['Where', <code key="to">{capture.to}</code>],
            ['Never kept', capture.redact.length === 0 ? 'everything is' : capture.redact.join(', ')],
          ]}
        />
      )}
    </Card>
  );
}
