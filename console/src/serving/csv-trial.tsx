/** Sends the rows of a CSV file to the model and shows predictions, accuracy and cost. */
import { Button, FileButton } from '@mantine/core';
import { type DragEvent, type ReactElement, useState } from 'react';
import type { EndpointBody } from '../../../src/api/index.ts';
import { Chip } from '../kit/chip.tsx';
import { bytes, plural } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';
import { Empty } from '../kit/page/empty.tsx';
import { LoadFailure } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { CsvResult } from './answers/csv-result.tsx';
import type { Csv } from './csv.ts';
import { instanceOf, type Mapping, mappingFault, rowValues } from './mapping.ts';
import { MappingDialog } from './mapping-dialog.tsx';
import type { InputSignature } from './signature.ts';
import type { LoadedFile, TrialFile } from './use-file.ts';
import { type InvokedRows, invokeRows } from './use-invoke.ts';
import type { Samples } from './use-samples.ts';

export interface TrialProps {
  readonly endpoint: EndpointBody;
  readonly signature: InputSignature;
  readonly samples: Samples | null;
  readonly trialFile: TrialFile;
}

/** Predictions and receipts are held in the browser, so a trial is limited. */
const rowsMax = 20_000;

export function CsvTrial({ endpoint, signature, samples, trialFile }: TrialProps): ReactElement {
  const { file, mapping, problem, turn, setMapping, load, read } = trialFile;
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    void read(event.dataTransfer.files[0] ?? null);
  };
  return (
    // The whole page accepts a dropped file, not only the box.
    <div onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <FileProblem problem={problem} />
      {file === null || mapping === null ? (
        <NoFile endpoint={endpoint.name} samples={samples} onFile={(chosen) => void read(chosen)} onSamples={load} />
      ) : (
        <Run
          // A new file or mapping discards the results of the one before.
          key={turn}
          endpoint={endpoint}
          signature={signature}
          samples={samples}
          trialFile={trialFile}
          file={file}
          mapping={mapping}
          onMapping={setMapping}
          onFile={(chosen) => void read(chosen)}
        />
      )}
    </div>
  );
}

export function FileProblem({ problem }: { readonly problem: string | null }): ReactElement | null {
  if (problem === null) return null;
  return (
    <div className="section">
      <Note tone="bad" title="The file was not read.">
        {problem}
      </Note>
    </div>
  );
}

interface NoFileProps {
  readonly endpoint: string;
  readonly samples: Samples | null;
  readonly onFile: (file: File | null) => void;
  readonly onSamples: (name: string, text: string) => void;
}

function NoFile({ endpoint, samples, onFile, onSamples }: NoFileProps): ReactElement {
  return (
    <Empty
      title="Drop a CSV file here"
      command={`penstock invoke ${endpoint} --file rows.csv --label label`}
      actions={
        <>
          <FileButton accept=".csv,.tsv,.txt,text/csv" onChange={onFile}>
            {(props) => (
              <Button variant="filled" leftSection={<Icon name="upload" />} {...props}>
                Choose file
              </Button>
            )}
          </FileButton>
          {samples === null ? null : (
            <Button onClick={() => onSamples(`${samples.name}.csv`, samples.text)}>
              Use {plural(samples.csv.rows.length, 'sample row')}
            </Button>
          )}
        </>
      }
    >
      One row per line. Columns are mapped to inputs by name or position. With a label column, accuracy is shown.
    </Empty>
  );
}

interface RunProps extends TrialProps {
  readonly file: LoadedFile;
  readonly mapping: Mapping;
  readonly onMapping: (mapping: Mapping) => void;
  readonly onFile: (file: File | null) => void;
}

interface Outcome {
  readonly invoked: InvokedRows;
  readonly tookMs: number;
}

/** Sends the rows on request only: a file that was dropped by mistake costs nothing and reaches no model. */
function Run(props: RunProps): ReactElement {
  const { endpoint, signature, file, mapping } = props;
  const [isMapping, setIsMapping] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [done, setDone] = useState<number | null>(null);
  const fault = mappingFault(file.csv, signature.inputs, mapping);
  const send = async (): Promise<void> => {
    setOutcome(null);
    setError(null);
    setDone(0);
    const instances = file.csv.rows.slice(0, rowsMax).map((row) => instanceOf(rowValues(row, signature.inputs, mapping), signature.inputs));
    const beganMs = performance.now();
    try {
      const invoked = await invokeRows(endpoint.name, instances, setDone);
      setOutcome({ invoked, tookMs: performance.now() - beganMs });
    } catch (thrown) {
      setError(thrown as Error);
    }
    setDone(null);
  };
  return (
    <>
      <FileBar {...props} fault={fault} isBusy={done !== null} onSend={() => void send()} onMap={() => setIsMapping(true)} />
      {isMapping ? (
        <MappingDialog
          csv={file.csv}
          inputs={signature.inputs}
          mapping={mapping}
          onClose={() => setIsMapping(false)}
          onChange={props.onMapping}
        />
      ) : null}
      {fault === null ? null : (
        <div className="section gap">
          <Note
            tone="warn"
            title="The columns do not match the inputs."
            end={
              <Button size="sm" onClick={() => setIsMapping(true)}>
                Map columns
              </Button>
            }
          >
            {fault} Nothing was sent.
          </Note>
        </div>
      )}
      {error === null ? null : (
        <div className="section gap">
          <LoadFailure error={error} what="The request failed." onRetry={() => void send()} />
        </div>
      )}
      {done === null ? null : (
        <p className="gap mut" role="status">
          {done} of {Math.min(file.csv.rows.length, rowsMax)} rows done
        </p>
      )}
      {outcome === null ? null : <CsvResult {...props} csv={file.csv} invoked={outcome.invoked} tookMs={outcome.tookMs} name={file.name} />}
    </>
  );
}

interface FileBarProps extends RunProps {
  readonly fault: string | null;
  readonly isBusy: boolean;
  readonly onSend: () => void;
  readonly onMap: () => void;
}

function FileBar({ signature, file, mapping, onFile, fault, isBusy, onSend, onMap }: FileBarProps): ReactElement {
  const { csv } = file;
  const cut = csv.rows.length > rowsMax ? `, only the first ${rowsMax} are sent` : '';
  return (
    <section className="card file-bar" aria-label="File">
      <span className="row">
        <Icon name="file" />
        <b>{file.name}</b>
        <span className="dim t">
          {plural(csv.rows.length, 'row')}, {plural(csv.header.length, 'column')}, {bytes(file.size)}
          {cut}
          {csv.ragged > 0 ? `; ${plural(csv.ragged, 'line')} with a different number of columns skipped` : ''}
        </span>
      </span>
      {signature.inputs.map(({ name }) => (
        <Chip key={name} tone={fault === null ? 'good' : 'warn'}>
          {formatColumns(csv, mapping.inputs[name] ?? [])} → {name}
        </Chip>
      ))}
      {mapping.truth === null ? <Chip>no labels</Chip> : <Chip tone="accent">{csv.header[mapping.truth]} → label</Chip>}
      <button type="button" className="link sm" onClick={onMap}>
        Change mapping
      </button>
      <span className="row end">
        <Button variant="filled" onClick={onSend} loading={isBusy} disabled={fault !== null}>
          Send {plural(Math.min(csv.rows.length, rowsMax), 'row')}
        </Button>
        <FileButton accept=".csv,.tsv,.txt,text/csv" onChange={onFile}>
          {(props) => (
            <Button leftSection={<Icon name="upload" />} {...props}>
              Choose another file
            </Button>
          )}
        </FileButton>
      </span>
    </section>
  );
}

function formatColumns(csv: Csv, columns: readonly number[]): string {
  return columns.length === 1 ? (csv.header[columns[0] ?? 0] ?? '') : plural(columns.length, 'column');
}
