/** The load of a simulation: recorded from an endpoint, uploaded, or synthetic. */
import { Button, FileButton, NumberInput, SegmentedControl, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type DragEvent, type ReactElement, useEffect, useState } from 'react';
import type { SimulationInput } from '../../../src/api/index.ts';
import { endpointsQuery } from '../api/queries.ts';
import { bytes } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';

export interface ChosenLoad {
  readonly load: SimulationInput['load'] | null;
  /** What is missing, as an instruction; null if the load is complete. */
  readonly missing: string | null;
}

type Kind = SimulationInput['load']['kind'];
/** The server's limit for the text of a trace (src/api/simulations/simulation-bodies.ts). */
const traceBytesMax = 3 * 2 ** 20;
const spans = [
  { value: '3600', label: 'the last hour' },
  { value: '21600', label: 'the last 6 hours' },
  { value: '86400', label: 'the last 24 hours' },
  { value: '604800', label: 'the last 7 days' },
];

export function LoadFields({ onChange }: { readonly onChange: (load: ChosenLoad) => void }): ReactElement {
  const [kind, setKind] = useState<Kind>('recorded');
  return (
    <>
      <SegmentedControl
        aria-label="Kind of load"
        value={kind}
        onChange={(value) => setKind(value)}
        data={[
          { value: 'recorded', label: 'Recorded' },
          { value: 'trace', label: 'Upload' },
          { value: 'made', label: 'Synthetic' },
        ]}
      />
      {kind === 'recorded' ? (
        <Recorded onChange={onChange} />
      ) : kind === 'trace' ? (
        <Trace onChange={onChange} />
      ) : (
        <Made onChange={onChange} />
      )}
    </>
  );
}

interface FieldsProps {
  readonly onChange: (load: ChosenLoad) => void;
}

/** Reports the initial value and each change. */
function useReportChange(chosen: ChosenLoad, onChange: FieldsProps['onChange']): void {
  const text = JSON.stringify(chosen);
  useEffect(() => onChange(JSON.parse(text) as ChosenLoad), [text, onChange]);
}

function Recorded({ onChange }: FieldsProps): ReactElement {
  const { data } = useQuery(endpointsQuery());
  const names = (data?.items ?? []).map(({ name }) => name);
  const [endpoint, setEndpoint] = useState<string | null>(null);
  const [since, setSince] = useState<string | null>('86400');
  const [scale, setScale] = useState<number | string>(1);
  const selected = endpoint ?? names[0] ?? null;
  useReportChange(
    selected === null
      ? { load: null, missing: 'No endpoint yet. Upload a load or use a synthetic one.' }
      : { load: { kind: 'recorded', endpoint: selected, since_s: Number(since ?? 86_400), scale: Number(scale) || 1 }, missing: null },
    onChange,
  );
  return (
    <>
      <Select
        label="Endpoint"
        data={names}
        value={selected}
        onChange={setEndpoint}
        searchable
        placeholder="no endpoint yet"
        disabled={names.length === 0}
      />
      <Select label="Period" data={spans} value={since} onChange={setSince} allowDeselect={false} />
      <Scale value={scale} onChange={setScale} />
    </>
  );
}

function Scale({
  value,
  onChange,
}: {
  readonly value: number | string;
  readonly onChange: (value: number | string) => void;
}): ReactElement {
  return (
    <NumberInput
      label="Scale factor"
      description="2 doubles the number of requests."
      min={0.001}
      max={1000}
      step={0.5}
      value={value}
      onChange={onChange}
    />
  );
}

function Trace({ onChange }: FieldsProps): ReactElement {
  const [file, setFile] = useState<{ readonly name: string; readonly text: string } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [slotS, setSlotS] = useState<number | string>(60);
  const [scale, setScale] = useState<number | string>(1);
  const take = async (chosen: File | null | undefined): Promise<void> => {
    if (chosen === null || chosen === undefined) return;
    if (chosen.size > traceBytesMax) {
      setProblem(
        `${chosen.name} is too large: expected at most ${bytes(traceBytesMax)}, got ${bytes(chosen.size)}. Use longer slots, or penstock simulate.`,
      );
      return;
    }
    setProblem(null);
    setFile({ name: chosen.name, text: await chosen.text() });
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    void take(event.dataTransfer.files[0]);
  };
  useReportChange(
    file === null
      ? { load: null, missing: problem ?? 'Choose a file.' }
      : { load: { kind: 'trace', ...file, slot_s: Number(slotS) || 60, scale: Number(scale) || 1 }, missing: null },
    onChange,
  );
  return (
    <>
      <div className="trace-drop" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
        <Icon name="upload" />
        <span>{file === null ? 'Drop a CSV file here, or' : file.name}</span>
        <FileButton accept=".csv,text/csv,text/plain" onChange={(chosen) => void take(chosen)} inputProps={{ 'aria-label': 'Trace' }}>
          {(props) => (
            <Button size="sm" {...props}>
              {file === null ? 'choose a file' : 'Choose another'}
            </Button>
          )}
        </FileButton>
      </div>
      {problem === null ? null : <p className="sm bad">{problem}</p>}
      <p className="sm dim">
        A header, then the requests per slot (<code>requests</code>), or one request per line (<code>t_s</code> or <code>t_ms</code>).
      </p>
      <NumberInput label="Slot length in seconds" min={1} max={86_400} value={slotS} onChange={setSlotS} />
      <Scale value={scale} onChange={setScale} />
    </>
  );
}

function Made({ onChange }: FieldsProps): ReactElement {
  const [text, setText] = useState('mmpp:10,80,600,180');
  const [minutes, setMinutes] = useState<number | string>(60);
  useReportChange(
    text.trim() === ''
      ? { load: null, missing: 'Describe the load.' }
      : { load: { kind: 'made', text: text.trim(), slots: Number(minutes) || 60 }, missing: null },
    onChange,
  );
  return (
    <>
      <TextInput
        label="Requests per second"
        description="poisson:20 · steps:5@0,40@600 · mmpp:QUIET,BURST,SECONDS,SECONDS"
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        autoComplete="off"
      />
      <NumberInput label="Minutes" min={1} max={44_640} value={minutes} onChange={setMinutes} />
    </>
  );
}
