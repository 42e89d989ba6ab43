/** A file of rows through the model: answers, how good they are, what they cost. */
import { Button, FileButton } from '@mantine/core';
import { type DragEvent, type ReactElement, useEffect, useRef, useState } from 'react';
import type { EndpointBody } from '../../../src/api/index.ts';
import { Chip } from '../kit/chip.tsx';
import { Empty } from '../kit/empty.tsx';
import { bytes, plural } from '../kit/format.ts';
import { Icon } from '../kit/icon.tsx';
import { Failure } from '../kit/loaded.tsx';
import { Note } from '../kit/note.tsx';
import { type Csv, parseCsv } from './csv.ts';
import { CsvResult } from './csv-result.tsx';
import { instanceOf, type Mapping, mappingFault, mappingFor, rowValues } from './mapping.ts';
import { MappingDialog } from './mapping-dialog.tsx';
import type { Signature } from './signature.ts';
import { type Invoked, invokeRows } from './use-invoke.ts';
import type { Samples } from './use-samples.ts';

export interface TrialProps {
  readonly endpoint: EndpointBody;
  readonly signature: Signature;
  readonly samples: Samples | null;
}

interface Loaded {
  readonly name: string;
  readonly size: number;
  readonly csv: Csv;
}

const fileBytesMax = 32 * 2 ** 20;
const rowsMax = 20_000;

export function CsvTrial({ endpoint, signature, samples }: TrialProps): ReactElement {
  const [file, setFile] = useState<Loaded | null>(null);
  const [mapping, setMapping] = useState<Mapping | null>(null);
  const [refusal, setRefusal] = useState<string | null>(null);
  const load = (name: string, text: string): void => {
    const csv = parseCsv(text);
    setRefusal(null);
    setFile({ name, size: text.length, csv });
    setMapping(mappingFor(csv, signature.inputs));
  };
  const read = async (chosen: File | null): Promise<void> => {
    if (chosen === null) return;
    if (chosen.size > fileBytesMax)
      setRefusal(
        `${chosen.name} has ${bytes(chosen.size)}, at most ${bytes(fileBytesMax)} can be tried here. For more there are transforms.`,
      );
    else load(chosen.name, await chosen.text());
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    void read(event.dataTransfer.files[0] ?? null);
  };
  return (
    // Whoever drops a file next to the box means it all the same.
    <div onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      {refusal === null ? null : (
        <div className="section">
          <Note tone="bad" title="The file was not read.">
            {refusal}
          </Note>
        </div>
      )}
      {file === null || mapping === null ? (
        <NoFile endpoint={endpoint.name} samples={samples} onFile={(chosen) => void read(chosen)} onSamples={load} />
      ) : (
        <Run
          endpoint={endpoint}
          signature={signature}
          samples={samples}
          file={file}
          mapping={mapping}
          onMapping={setMapping}
          onFile={(chosen) => void read(chosen)}
        />
      )}
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
              Take {plural(samples.csv.rows.length, 'sample row')}
            </Button>
          )}
        </>
      }
    >
      One row a line. Columns are mapped to the inputs by name or number; a column with the truth shows how good the answers are.
    </Empty>
  );
}

interface RunProps extends TrialProps {
  readonly file: Loaded;
  readonly mapping: Mapping;
  readonly onMapping: (mapping: Mapping) => void;
  readonly onFile: (file: File | null) => void;
}

interface Outcome {
  readonly invoked: Invoked;
  readonly tookMs: number;
}

/** Sends at once: a file was given to be answered. */
function Run(props: RunProps): ReactElement {
  const { endpoint, signature, file, mapping } = props;
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [done, setDone] = useState<number | null>(null);
  const fault = mappingFault(file.csv, signature.inputs, mapping);
  const turn = useRef(0);
  const send = async (): Promise<void> => {
    const mine = ++turn.current;
    setOutcome(null);
    setError(null);
    setDone(0);
    const instances = file.csv.rows.slice(0, rowsMax).map((row) => instanceOf(rowValues(row, signature.inputs, mapping), signature.inputs));
    const beganMs = performance.now();
    try {
      const invoked = await invokeRows(endpoint.name, instances, (rows) => {
        if (mine === turn.current) setDone(rows);
      });
      if (mine === turn.current) setOutcome({ invoked, tookMs: performance.now() - beganMs });
    } catch (thrown) {
      if (mine === turn.current) setError(thrown as Error);
    }
    if (mine === turn.current) setDone(null);
  };
  // For another file or mapping, and not for anything else that is drawn anew.
  useEffect(() => {
    if (fault === null) void send();
  }, [file, mapping]);
  return (
    <>
      <FileBar {...props} fault={fault} isBusy={done !== null} onAgain={() => void send()} />
      {fault === null ? null : (
        <div className="section gap">
          <Note tone="warn" title="The columns do not fit yet.">
            {fault}
          </Note>
        </div>
      )}
      {error === null ? null : (
        <div className="section gap">
          <Failure error={error} what="The rows were refused." onRetry={() => void send()} />
        </div>
      )}
      {done === null ? null : (
        <p className="gap mut" role="status">
          {done} of {file.csv.rows.length} rows answered
        </p>
      )}
      {outcome === null ? null : <CsvResult {...props} csv={file.csv} invoked={outcome.invoked} tookMs={outcome.tookMs} name={file.name} />}
    </>
  );
}

interface FileBarProps extends RunProps {
  readonly fault: string | null;
  readonly isBusy: boolean;
  readonly onAgain: () => void;
}

function FileBar({ signature, file, mapping, onMapping, onFile, fault, isBusy, onAgain }: FileBarProps): ReactElement {
  const [isMapping, setIsMapping] = useState(false);
  const { csv } = file;
  const cut = csv.rows.length > rowsMax ? `, the first ${rowsMax} are sent` : '';
  return (
    <section className="card file-bar" aria-label="File">
      <span className="row">
        <Icon name="file" />
        <b>{file.name}</b>
        <span className="dim t">
          {plural(csv.rows.length, 'row')}, {plural(csv.header.length, 'column')}, {bytes(file.size)}
          {cut}
          {csv.ragged > 0 ? `; ${plural(csv.ragged, 'line')} of another length left out` : ''}
        </span>
      </span>
      {signature.inputs.map(({ name }) => (
        <Chip key={name} tone={fault === null ? 'good' : 'warn'}>
          {columnsWords(csv, mapping.inputs[name] ?? [])} → {name}
        </Chip>
      ))}
      {mapping.truth === null ? <Chip>no truth</Chip> : <Chip tone="accent">{csv.header[mapping.truth]} → truth</Chip>}
      <button type="button" className="link sm" onClick={() => setIsMapping(true)}>
        Change mapping
      </button>
      <span className="row end">
        <Button onClick={onAgain} loading={isBusy} disabled={fault !== null}>
          Send again
        </Button>
        <FileButton accept=".csv,.tsv,.txt,text/csv" onChange={onFile}>
          {(props) => (
            <Button leftSection={<Icon name="upload" />} {...props}>
              Other file
            </Button>
          )}
        </FileButton>
      </span>
      {isMapping ? (
        <MappingDialog csv={csv} inputs={signature.inputs} mapping={mapping} onClose={() => setIsMapping(false)} onChange={onMapping} />
      ) : null}
    </section>
  );
}

function columnsWords(csv: Csv, columns: readonly number[]): string {
  return columns.length === 1 ? (csv.header[columns[0] ?? 0] ?? '') : plural(columns.length, 'column');
}
