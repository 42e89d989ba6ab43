/** The Try it page: rows from a CSV file, a form or a picture, with receipt and code snippets. */
import { Button, SegmentedControl } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { EndpointBody, VersionBody } from '../../../src/api/index.ts';
import { useLive } from '../api/live.tsx';
import { endpointQuery, versionQuery } from '../api/queries.ts';
import { useHasPermission } from '../api/session.ts';
import { Chip } from '../kit/chip.tsx';
import { shape as formatShape } from '../kit/format/format.ts';
import { LiveStateMark } from '../kit/live-state-mark.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { useParameter, useSearchValue } from '../kit/page/search-state.ts';
import type { StateKind } from '../kit/state-mark.tsx';
import { CsvTrial } from './csv-trial.tsx';
import { FormTrial } from './form-trial.tsx';
import { PictureTrial } from './picture-trial.tsx';
import { RawTrial } from './raw-trial.tsx';
import { type InputMode, inputModes, pictureShape } from './signature.ts';
import { mappedFile, type PageFile, useFile } from './use-file.ts';
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

/** Each endpoint has a page of its own: the file of another one is not carried over. */
export function TryPage(): ReactElement {
  const name = useParameter('endpoint');
  return <EndpointTrial key={name} name={name} />;
}

function EndpointTrial({ name }: { readonly name: string }): ReactElement {
  useLive({ endpoint: name });
  const file = useFile();
  const endpoint = useQuery(endpointQuery(name));
  const model = endpoint.data?.variants[0]?.model ?? '';
  // During an update the page stays as it is until the new version is loaded.
  const version = useQuery({ ...versionQuery(model), enabled: model !== '', placeholderData: keepPreviousData });
  const [kind, word] = marks[endpoint.data?.status ?? 'Creating'];
  return (
    <PageLayout
      title={`Try ${name}`}
      aside={
        endpoint.data === undefined ? undefined : (
          <>
            <LiveStateMark kind={kind} word={word} />
            <Chip>{model}</Chip>
          </>
        )
      }
      facts={version.data === undefined ? undefined : <SignatureText version={version.data} />}
      actions={version.data?.runtime.kind === 'onnx' ? <Modes version={version.data} /> : undefined}
    >
      <LoadedContent query={endpoint} what={`${name} could not be loaded.`} heights={[60, 400]}>
        {(data) => (
          <LoadedContent query={version} what={`${model} could not be loaded.`} heights={[60, 400]}>
            {(found) => <Trial key={JSON.stringify(found.signature)} endpoint={data} version={found} file={file} />}
          </LoadedContent>
        )}
      </LoadedContent>
    </PageLayout>
  );
}

function SignatureText({ version }: { readonly version: VersionBody }): ReactElement | null {
  const { inputs, outputs } = version.signature;
  if (version.runtime.kind === 'process') return <span>a process with its own format: {version.runtime.image}</span>;
  const format = (tensors: VersionBody['signature']['inputs']): string =>
    tensors.map((tensor) => `${tensor.name} ${formatShape(tensor)}`).join(', ');
  return (
    <span>
      <code>{format(inputs)}</code> → <code>{format(outputs)}</code>
    </span>
  );
}

const modeTitles: Readonly<Record<InputMode, string>> = { form: 'Form', csv: 'CSV', picture: 'Picture' };

function useMode({ signature }: VersionBody): [InputMode, (mode: string) => void, readonly InputMode[]] {
  const modes = inputModes(signature);
  const [first = 'csv'] = modes;
  const [requested, setMode] = useSearchValue('by', first);
  return [modes.find((mode) => mode === requested) ?? first, setMode, modes];
}

function Modes({ version }: { readonly version: VersionBody }): ReactElement {
  const [mode, setMode, modes] = useMode(version);
  const data = modes.map((value) => ({ value, label: modeTitles[value] }));
  return <SegmentedControl aria-label="Input method" value={mode} onChange={setMode} data={data} />;
}

interface VersionTrialProps {
  readonly endpoint: EndpointBody;
  readonly version: VersionBody;
  readonly file: PageFile;
}

function Trial({ endpoint, version, file }: VersionTrialProps): ReactElement {
  const [mode] = useMode(version);
  const mayInvoke = useHasPermission('invoke');
  const samples = useSamples(version);
  const trialFile = mappedFile(file, version.signature);
  if (!mayInvoke) return <Note title="You cannot send requests.">Sending requests requires the role invoker or higher.</Note>;
  if (endpoint.status === 'Failed' || endpoint.status === 'Unloaded') return <NotServed endpoint={endpoint} />;
  if (version.runtime.kind === 'process') return <RawTrial endpoint={endpoint} />;
  const common = { endpoint, signature: version.signature, samples, trialFile };
  if (mode === 'form') return <FormTrial {...common} />;
  const [input] = version.signature.inputs;
  const picture = input === undefined || version.signature.inputs.length > 1 ? null : pictureShape(input);
  if (mode === 'picture' && picture !== null) return <PictureTrial {...common} picture={picture} />;
  return <CsvTrial {...common} />;
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
          Open endpoint
        </Button>
      }
    >
      {endpoint.reason ?? 'Start the endpoint to send requests.'}
    </Note>
  );
}
