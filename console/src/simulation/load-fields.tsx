/** What comes: recorded of an endpoint, a file of one's own, or made up. */
import { Button, FileButton, NumberInput, SegmentedControl, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type DragEvent, type ReactElement, useEffect, useState } from 'react';
import type { SimulationInput } from '../../../src/api/index.ts';
import { endpointsQuery } from '../api/queries.ts';
import { bytes } from '../kit/format.ts';
import { Icon } from '../kit/icon.tsx';

export interface ChosenLoad {
  readonly load: SimulationInput['load'] | null;
  /** What is missing; null where nothing is. */
  readonly needs: string | null;
}

type Kind = SimulationInput['load']['kind'];
const traceBytesMax = 16 * 2 ** 20;
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
          { value: 'made', label: 'Made up' },
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

/** Tells of each change, and of what stood there from the beginning. */
function useTold(chosen: ChosenLoad, onChange: FieldsProps['onChange']): void {
  const text = JSON.stringify(chosen);
  useEffect(() => onChange(JSON.parse(text) as ChosenLoad), [text, onChange]);
}

function Recorded({ onChange }: FieldsProps): ReactElement {
  const { data } = useQuery(endpointsQuery());
  const names = (data?.items ?? []).map(({ name }) => name);
  const [endpoint, setEndpoint] = useState<string | null>(null);
  const [since, setSince] = useState<string | null>('86400');
  const [scale, setScale] = useState<number | string>(1);
  const asked = endpoint ?? names[0] ?? null;
  useTold(
    asked === null
      ? { load: null, needs: 'There is no endpoint yet: upload a load, or make one up.' }
      : { load: { kind: 'recorded', endpoint: asked, since_s: Number(since ?? 86_400), scale: Number(scale) || 1 }, needs: null },
    onChange,
  );
  return (
    <>
      <Select
        label="Endpoint"
        data={names}
        value={asked}
        onChange={setEndpoint}
        searchable
        placeholder="no endpoint yet"
        disabled={names.length === 0}
      />
      <Select label="What came in" data={spans} value={since} onChange={setSince} allowDeselect={false} />
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
      label="Times as busy"
      description="2 for twice the requests, at the same times of the day."
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
  const take = async (given: File | null | undefined): Promise<void> => {
    if (given === null || given === undefined) return;
    if (given.size > traceBytesMax) {
      setProblem(`${given.name} has ${bytes(given.size)}, at most ${bytes(traceBytesMax)}: take longer slots, or use penstock simulate.`);
      return;
    }
    setProblem(null);
    setFile({ name: given.name, text: await given.text() });
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    void take(event.dataTransfer.files[0]);
  };
  useTold(
    file === null
      ? { load: null, needs: problem ?? 'Choose a file.' }
      : { load: { kind: 'trace', ...file, slot_s: Number(slotS) || 60, scale: Number(scale) || 1 }, needs: null },
    onChange,
  );
  return (
    <>
      <div className="trace-drop" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
        <Icon name="upload" />
        <span>{file === null ? 'Drop a CSV here, or' : file.name}</span>
        <FileButton accept=".csv,text/csv,text/plain" onChange={(given) => void take(given)} inputProps={{ 'aria-label': 'Trace' }}>
          {(props) => (
            <Button size="sm" {...props}>
              {file === null ? 'choose a file' : 'Choose another'}
            </Button>
          )}
        </FileButton>
      </div>
      {problem === null ? null : <p className="sm bad">{problem}</p>}
      <p className="sm dim">
        A header, then requests of a slot a line (<code>requests</code>), or one request a line (<code>t_s</code> or <code>t_ms</code>).
      </p>
      <NumberInput label="A slot lasts, in seconds" min={1} max={86_400} value={slotS} onChange={setSlotS} />
      <Scale value={scale} onChange={setScale} />
    </>
  );
}

function Made({ onChange }: FieldsProps): ReactElement {
  const [text, setText] = useState('mmpp:10,80,600,180');
  const [minutes, setMinutes] = useState<number | string>(60);
  useTold(
    text.trim() === ''
      ? { load: null, needs: 'Say what comes.' }
      : { load: { kind: 'made', text: text.trim(), slots: Number(minutes) || 60 }, needs: null },
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
