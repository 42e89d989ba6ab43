/** The details of a version: signature, origin, approval and rollbacks. */
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { EndpointBody, VersionBody } from '../../../src/api/index.ts';
import { rolledBackBy } from '../api/rolled-back-versions.ts';
import { Card } from '../kit/card.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { bytes, sentence } from '../kit/format/format.ts';
import { Pairs } from '../kit/pairs.tsx';
import { tensorText } from './compare/compare-signatures.ts';
import { approvalMark, batchText } from './format-version.tsx';
import { lineageIn } from './lineage.ts';

interface VersionCardProps {
  readonly version: VersionBody;
  readonly endpoints: readonly EndpointBody[];
}

function pythonPairs({ runtime, python }: VersionBody): (readonly [string, string])[] {
  if (runtime.kind !== 'python' || python === null) return [];
  const libraries = python.needs.map((name) => [name, python.libraries?.[name]].join(' ').trim());
  return [
    [
      'Runtime',
      `Python${python.python === null ? '' : ` ${python.python}`}, ${runtime.flavour}, environment ${runtime.environment.name ?? 'default'}`,
    ],
    ...(libraries.length === 0 ? [] : [['Libraries', libraries.join(', ')] as const]),
    ...(python.columns === null ? [] : [['Columns', python.columns.join(', ')] as const]),
  ];
}

/** The job that trained a version, and its data. */
function trainingPairs({ metadata }: VersionBody): (readonly [string, ReactElement])[] {
  const lineage = lineageIn(metadata['lineage']);
  if (lineage === null) return [];
  const job = (
    <Link to="/training/$job" params={{ job: lineage.job }}>
      {lineage.job}
    </Link>
  );
  const data = lineage.data.map(([channel, uri]) => (
    <code key={channel} className="line">
      {channel}: {uri}
    </code>
  ));
  return [['Trained by', job], ...(data.length === 0 ? [] : [['Trained on', <>{data}</>] as const])];
}

export function VersionCard({ version, endpoints }: VersionCardProps): ReactElement {
  const { name, signature, approval_changed_by: by, approval_changed_at: at, approval_note: note } = version;
  const tensors = (list: VersionBody['signature']['inputs']): ReactElement => (
    <>
      {list.map((tensor) => (
        <code key={tensor.name} className="line">
          {tensorText(tensor)}
        </code>
      ))}
    </>
  );
  return (
    <Card title={name} span={4} padded end={approvalMark(version)}>
      <Pairs
        pairs={[
          ['Input', tensors(signature.inputs)],
          ['Output', tensors(signature.outputs)],
          ['Batching', batchText(version)],
          ...pythonPairs(version),
          ['File', `${version.source_name}, ${bytes(version.artifact.bytes)}`],
          ['Producer', version.producer === '' ? '–' : version.producer],
          [
            'Registered',
            <span key="at">
              <Ago at={version.created_at} />, by {version.created_by}
            </span>,
          ],
          ...(at === null
            ? []
            : ([
                [
                  'Decided',
                  <span key="at">
                    <Ago at={at} />, by {by}
                  </span>,
                ],
              ] as const)),
          ...(note === null ? [] : ([['Comment', note]] as const)),
          ...rolledBackBy(endpoints, name).map(
            ({ endpoint, reason, at: backAt }) =>
              [
                'Rolled back',
                <span key={endpoint}>
                  <Ago at={backAt} />, by {endpoint}. {sentence(reason)}
                </span>,
              ] as const,
          ),
          ...trainingPairs(version),
          ...Object.entries(version.metadata)
            .filter(([key]) => lineageIn(version.metadata['lineage']) === null || !['lineage', 'job'].includes(key))
            .map(([key, value]) => [key, value] as const),
        ]}
      />
    </Card>
  );
}
