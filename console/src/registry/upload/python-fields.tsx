/** The fields of the upload form for a Python model: its environment, and rows to open it with. */
import { Button, FileButton, Input, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { EnvironmentBody, PreviewBody } from '../../../../src/api/index.ts';
import { getAll } from '../../api/client.ts';
import { bytes } from '../../kit/format/format.ts';
import { Icon } from '../../kit/icon.tsx';
import { sampleAdvice, sampleFileBytesMax, sampleTypeOf } from './python-text.ts';
import { inputsOf } from './upload-fields.ts';

interface PythonFieldsProps {
  readonly inputs: string;
  readonly onInputs: (inputs: string) => void;
  readonly python: NonNullable<PreviewBody['python']>;
  /** Null: the default one. */
  readonly environment: string | null;
  readonly onEnvironment: (name: string | null) => void;
  readonly sample: File | null;
  readonly onSample: (file: File | null) => void;
}

export function PythonFields({ python, environment, onEnvironment, sample, onSample, inputs, onInputs }: PythonFieldsProps): ReactElement {
  const { data } = useQuery({
    queryKey: ['environments'],
    queryFn: ({ signal }) => getAll<EnvironmentBody>('/environments', {}, signal),
  });
  const named = (data?.items ?? []).flatMap(({ name, ...others }) => (name === null ? [] : [{ name, ...others }]));
  return (
    <>
      <Select
        label="Environment"
        description="The packages that the model runs with."
        placeholder={python.requirements === null ? 'the default of this server' : `its own, from ${python.requirements}`}
        data={named.map((each) => ({ value: each.name, label: environmentText(each), disabled: each.state === 'failed' }))}
        value={environment}
        onChange={onEnvironment}
        clearable
      />
      <SampleField python={python} sample={sample} onSample={onSample} />
      {python.flavour === 'torchscript' ? (
        <TextInput
          label="Inputs"
          description="Instead of sample rows: name, type and shape, in which -1 varies."
          placeholder="x FP32 [-1,30]"
          value={inputs}
          onChange={(event) => onInputs(event.currentTarget.value)}
          error={inputs.trim() === '' || inputsOf(inputs) !== null ? null : 'Expected a name, a type and a shape, such as x FP32 [-1,30].'}
          autoComplete="off"
        />
      ) : null}
    </>
  );
}

type Named = EnvironmentBody & { readonly name: string };

function environmentText({ name, state, python_version: version }: Named): string {
  if (state !== 'ready') return `${name}, ${state}`;
  return version === null ? name : `${name}, Python ${version}`;
}

function SampleField({ python, sample, onSample }: Pick<PythonFieldsProps, 'python' | 'sample' | 'onSample'>): ReactElement {
  const problem = sample === null ? null : problemOf(sample);
  return (
    <Input.Wrapper label="Sample rows" labelElement="div" description={sampleAdvice(python)} error={problem}>
      <div className="row wrap sample-file">
        <FileButton accept=".csv,.npy,.json,.jsonl,.txt" onChange={onSample}>
          {(props) => (
            <Button size="sm" leftSection={<Icon name="file" />} {...props}>
              {sample === null ? 'Choose a .csv, .npy, .json, .jsonl or .txt file' : 'Choose another file'}
            </Button>
          )}
        </FileButton>
        {sample === null ? null : (
          <>
            <span className="mut">
              {sample.name}, {bytes(sample.size)}
            </span>
            <Button size="sm" onClick={() => onSample(null)}>
              Remove
            </Button>
          </>
        )}
      </div>
    </Input.Wrapper>
  );
}

/** Null if the file can be sent. */
export function problemOf({ name, size }: Pick<File, 'name' | 'size'>): string | null {
  if (sampleTypeOf(name) === null) return `Expected a .csv file with a header, or a .npy, .json, .jsonl or .txt file, got ${name}.`;
  return size > sampleFileBytesMax ? `Expected at most 1 MB, got ${bytes(size)}: a few rows are enough.` : null;
}
