/** Try a model: rows from a file, a form made from its signature, or a picture; with the receipt, and the same call as code. */
import { Button, SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { EndpointBody, VersionBody } from '../../../src/api/index.ts';
import { useLive } from '../api/live.tsx';
import { endpointQuery, versionQuery } from '../api/queries.ts';
import { useMay } from '../api/session.ts';
import { Chip } from '../kit/chip.tsx';
import { shape as shapeWords } from '../kit/format.ts';
import { Loaded } from '../kit/loaded.tsx';
import { Note } from '../kit/note.tsx';
import { Page } from '../kit/page.tsx';
import { useParameter, useSearchValue } from '../kit/search-state.ts';
import { type StateKind, StateMark } from '../kit/state-mark.tsx';
import { CsvTrial } from './csv-trial.tsx';
import { FormTrial } from './form-trial.tsx';
import { PictureTrial } from './picture-trial.tsx';
import { RawTrial } from './raw-trial.tsx';
import { pictureShape } from './signature.ts';
import { useSamples } from './use-samples.ts';
import './try.css';

const marks: Readonly<Record<EndpointBody['status'], readonly [StateKind, string]>> = {
  InService: ['ok', 'In service'],
  Creating: ['changing', 'Starting'],
  Updating: ['changing', 'Updating'],
  RollingBack: ['warn', 'Rolling back'],
  Failed: ['bad', 'Failed'],
  Deleting: ['changing', 'Deleting'],
  Unloaded: ['zero', 'Stopped'],
};

export function TryPage(): ReactElement {
  const name = useParameter('endpoint');
  useLive({ endpoint: name });
  const endpoint = useQuery(endpointQuery(name));
  const model = endpoint.data?.variants[0]?.model ?? '';
  const version = useQuery({ ...versionQuery(model), enabled: model !== '' });
  const [kind, word] = marks[endpoint.data?.status ?? 'Creating'];
  return (
    <Page
      title={`Try ${name}`}
      beside={
        endpoint.data === undefined ? undefined : (
          <>
            <StateMark kind={kind}>{word}</StateMark>
            <Chip>{model}</Chip>
          </>
        )
      }
      facts={version.data === undefined ? undefined : <SignatureWords version={version.data} />}
      actions={version.data?.runtime.kind === 'onnx' ? <Modes version={version.data} /> : undefined}
    >
      <Loaded query={endpoint} what={`${name} could not be loaded.`} heights={[60, 400]}>
        {(data) => (
          <Loaded query={version} what={`${model} could not be loaded.`} heights={[60, 400]}>
            {(found) => <Trial endpoint={data} version={found} />}
          </Loaded>
        )}
      </Loaded>
    </Page>
  );
}

function SignatureWords({ version }: { readonly version: VersionBody }): ReactElement | null {
  const { inputs, outputs } = version.signature;
  if (version.runtime.kind === 'process') return <span>a process, which takes what it takes: {version.runtime.image}</span>;
  const words = (tensors: VersionBody['signature']['inputs']): string =>
    tensors.map((tensor) => `${tensor.name} ${shapeWords(tensor)}`).join(', ');
  return (
    <span>
      <code>{words(inputs)}</code> → <code>{words(outputs)}</code>
    </span>
  );
}

function Modes({ version }: { readonly version: VersionBody }): ReactElement {
  const [mode, setMode] = useSearchValue('by', 'csv');
  const hasPicture = version.signature.inputs.length === 1 && version.signature.inputs.some((input) => pictureShape(input) !== null);
  const modes = [
    { value: 'form', label: 'Form' },
    { value: 'csv', label: 'CSV' },
    ...(hasPicture ? [{ value: 'picture', label: 'Picture' }] : []),
  ];
  return <SegmentedControl aria-label="How to give rows" value={mode} onChange={setMode} data={modes} />;
}

function Trial({ endpoint, version }: { readonly endpoint: EndpointBody; readonly version: VersionBody }): ReactElement {
  const [mode] = useSearchValue('by', 'csv');
  const mayInvoke = useMay('invoke');
  const samples = useSamples(version);
  if (!mayInvoke) return <Note title="You may look, not call.">To send requests takes a key of the role invoker or above.</Note>;
  if (endpoint.status === 'Failed' || endpoint.status === 'Unloaded') return <NotServed endpoint={endpoint} />;
  if (version.runtime.kind === 'process') return <RawTrial endpoint={endpoint} />;
  const given = { endpoint, signature: version.signature, samples };
  if (mode === 'form') return <FormTrial {...given} />;
  const [input] = version.signature.inputs;
  const picture = input === undefined || version.signature.inputs.length > 1 ? null : pictureShape(input);
  if (mode === 'picture' && picture !== null) return <PictureTrial {...given} picture={picture} />;
  return <CsvTrial {...given} />;
}

function NotServed({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  return (
    <Note
      tone={endpoint.status === 'Failed' ? 'bad' : 'plain'}
      title={endpoint.status === 'Failed' ? `${endpoint.name} failed.` : `${endpoint.name} is stopped.`}
      end={
        <Button
          size="sm"
          renderRoot={(props: object) => <Link to="/endpoints/$endpoint" params={{ endpoint: endpoint.name }} {...props} />}
        >
          Open the endpoint
        </Button>
      }
    >
      {endpoint.reason ?? 'It answers again once it is served.'}
    </Note>
  );
}
