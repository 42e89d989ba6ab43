/** Data quality of an endpoint: drift against the baseline, accuracy from labels, and captured calls. */
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { DriftBody, EndpointBody } from '../../../../src/api/index.ts';
import { path, post, remove } from '../../api/client.ts';
import { driftQuery } from '../../api/queries.ts';
import { useHasPermission } from '../../api/session.ts';
import { Card } from '../../kit/card.tsx';
import { Confirm } from '../../kit/confirm.tsx';
import { DataTable } from '../../kit/data-table.tsx';
import { Ago } from '../../kit/format/ago.tsx';
import { count, fixed, percent, plural, sentence } from '../../kit/format/format.ts';
import { NumberStrip } from '../../kit/number-strip.tsx';
import { LoadedContent, LoadFailure } from '../../kit/page/loaded.tsx';
import { Note } from '../../kit/page/note.tsx';
import { Pairs } from '../../kit/pairs.tsx';
import { StateMark } from '../../kit/state-mark.tsx';

export function EndpointData({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const drift = useQuery({ ...driftQuery(endpoint.name), refetchInterval: 30_000 });
  return (
    <LoadedContent query={drift} what="Drift could not be loaded." heights={[92, 300]}>
      {(data) => (
        <>
          <NumberStrip numbers={numbersOf(data)} />
          <Features endpoint={endpoint.name} drift={data} />
          <Captured endpoint={endpoint} />
        </>
      )}
    </LoadedContent>
  );
}

/** Regression models report a mean error instead of an accuracy. */
function numbersOf({ rows_seen: rows, rows_sampled: sampled, features, drifted, window_minutes: minutes, quality }: DriftBody) {
  const { accuracy, mean_absolute_error: error, labelled_rows: labelled, labelled_calls: calls } = quality;
  return [
    { label: `Rows, last ${minutes} min`, value: count(rows), note: `${count(sampled)} sampled` },
    {
      label: 'Drifted features',
      value: features.length === 0 ? '–' : String(drifted),
      ...(features.length === 0 ? {} : { unit: `of ${features.length}` }),
      note: features.length === 0 ? 'nothing to compare' : drifted === 0 ? 'all match the baseline' : 'see below',
      ...(drifted > 0 ? { tone: 'bad' as const } : {}),
    },
    error === null
      ? {
          label: 'Accuracy from labels',
          value: accuracy === null ? '–' : fixed(accuracy, 3),
          note: `${plural(labelled, 'row')} of ${plural(calls, 'call')}, last 7 days`,
        }
      : {
          label: 'Mean error from labels',
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
            Baseline: {baseline.source}, {plural(baseline.rows, 'row')}, set <Ago at={baseline.made_at} />. A feature has drifted if its
            stability index is at least 0.25 and its KS distance is significant (Benjamini-Hochberg over all features, 5 %). With few rows,
            the index can be large by chance.
          </>
        )
      }
    >
      {reason === null ? null : (
        <div className="body">
          {baseline === null ? (
            <Note title="No baseline yet.">Set the rows of the last hour as the baseline. Each feature is then compared with it.</Note>
          ) : (
            <Note title="No result yet.">{sentence(reason)}</Note>
          )}
        </div>
      )}
      {unknown.length === 0 ? null : (
        <div className="body">
          <Note tone="warn" title="Features missing from the baseline:">
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

/** The p-value of the KS distance, formatted as in the command line. */
const formatChance = (chance: number): string => (chance < 1e-4 ? '< 0.0001' : fixed(chance, 4));

/** The feature's name in the model, and its column in the file of the baseline if that differs. */
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
      caption="Features, drifted ones first"
      isDense
      rows={features}
      keyOf={({ name }) => name}
      columns={[
        { title: 'Feature', cell: (feature) => <Name feature={feature} />, sort: ({ name }) => name },
        {
          title: 'State',
          cell: ({ drifted }) => <StateMark kind={drifted ? 'warn' : 'ok'}>{drifted ? 'Drifted' : 'Unchanged'}</StateMark>,
          sort: ({ drifted }) => Number(drifted),
        },
        { title: 'Stability index', isNumber: true, cell: ({ psi }) => fixed(psi, 3), sort: ({ psi }) => psi },
        { title: 'KS distance', isNumber: true, isWide: true, cell: ({ ks }) => fixed(ks, 3), sort: ({ ks }) => ks },
        {
          title: 'p-value',
          isNumber: true,
          isWide: true,
          cell: ({ p_value: chance }) => formatChance(chance),
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
  const mayDeploy = useHasPermission('deploy');
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
      {error === null ? null : <LoadFailure error={error} what="The baseline could not be set." />}
      <Button size="sm" onClick={set}>
        {hasBaseline ? 'Reset to the last hour' : 'Use the last hour as the baseline'}
      </Button>
      {hasBaseline ? (
        <Button size="sm" onClick={() => setIsRemoving(true)}>
          Remove baseline
        </Button>
      ) : null}
      {isRemoving ? (
        <Confirm
          title={`Remove the baseline of ${endpoint}?`}
          consequences={['Drift detection stops until a new baseline is set.', 'Captured calls are not deleted.']}
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
        <p className="mut">Calls are not captured. You can turn on capture in the settings.</p>
      ) : (
        <Pairs
          pairs={[
            [
              'Captured',
              `${percent(capture.percent / 100)} % of the calls: ${[capture.inputs ? 'inputs' : '', capture.outputs ? 'outputs' : ''].filter(Boolean).join(' and ')}`,
            ],
            ['Destination', <code key="to">{capture.to}</code>],
            ['Redacted', capture.redact.length === 0 ? 'nothing' : capture.redact.join(', ')],
          ]}
        />
      )}
    </Card>
  );
}
