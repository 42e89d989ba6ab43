/** A form generated from the signature: a field per value, or one text field for inputs with many values. */
import { Button, FileButton, NumberInput, Textarea } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import { Card } from '../kit/card.tsx';
import { count, shape as formatShape } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';
import { LoadFailure } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { SingleResult } from './answers/single-result.tsx';
import type { Csv } from './csv.ts';
import { FileProblem, type TrialProps } from './csv-trial.tsx';
import { type Mapping, mappingFault, mappingFor, type RowValues, rowValues } from './mapping.ts';
import { formValuesMax, type InputSignature, isText, type SignatureTensor, valuesPerRow } from './signature.ts';
import type { TrialFile } from './use-file.ts';
import type { Samples } from './use-samples.ts';
import { useSingle } from './use-single.ts';

function emptyRow({ inputs }: InputSignature): RowValues {
  return Object.fromEntries(
    inputs.map((input) => {
      const size = valuesPerRow(input) ?? 1;
      return [input.name, isText(input) ? Array.from({ length: size }, () => '') : Array.from({ length: size }, () => 0)];
    }),
  );
}

/** Rows to fill the form with: those of the chosen file, or else the samples of the catalogue. */
interface RowSource {
  readonly name: string;
  readonly csv: Csv;
  readonly mapping: Mapping;
}

function sourceOf({ file, mapping }: TrialFile, samples: Samples | null, { inputs }: InputSignature): RowSource | null {
  if (file !== null && mapping !== null) return { name: file.name, csv: file.csv, mapping };
  return samples === null ? null : { name: samples.name, csv: samples.csv, mapping: mappingFor(samples.csv, inputs) };
}

export function FormTrial({ endpoint, signature, samples, trialFile }: TrialProps): ReactElement {
  const [values, setValues] = useState<RowValues>(() => emptyRow(signature));
  const { invoked, error, isBusy, send } = useSingle(endpoint.name, signature);
  const source = sourceOf(trialFile, samples, signature);
  return (
    <>
      <FileProblem problem={trialFile.problem} />
      <div className="grid top">
        <Card title="One row" span={5} padded>
          <form
            className="confirm"
            onSubmit={(event) => {
              event.preventDefault();
              send(values);
            }}
          >
            {signature.inputs.map((input) => (
              <Field
                key={input.name}
                input={input}
                values={values[input.name] ?? []}
                names={source === null ? [] : namesOf(source, input)}
                onChange={(changed) => setValues({ ...values, [input.name]: changed })}
              />
            ))}
            {error === null ? null : <LoadFailure error={error} what="The request failed." />}
            <div>
              <Button type="submit" variant="filled" loading={isBusy}>
                Send row
              </Button>
            </div>
            <TakeRow source={source} trialFile={trialFile} signature={signature} onTake={setValues} />
          </form>
        </Card>
        <div className="c7">
          <SingleResult endpoint={endpoint} signature={signature} values={values} labels={samples?.labels ?? null} invoked={invoked} />
        </div>
      </div>
    </>
  );
}

interface TakeRowProps extends Pick<TrialProps, 'trialFile' | 'signature'> {
  readonly source: RowSource | null;
  readonly onTake: (values: RowValues) => void;
}

/**
 * Rows to take, and the field for a file. The field must not be built again when the samples of the catalogue arrive: a file that is being
 * chosen at that moment would go to the removed field, and be lost.
 */
function TakeRow({ source, trialFile, signature, onTake }: TakeRowProps): ReactElement {
  const fault = source === null ? null : mappingFault(source.csv, signature.inputs, source.mapping);
  return (
    <div className="take-row">
      {source === null || fault !== null ? null : <Rows key={source.name} source={source} signature={signature} onTake={onTake} />}
      <FileButton accept=".csv,.tsv,.txt,text/csv" onChange={(chosen) => void trialFile.read(chosen)}>
        {(props) => (
          <Button leftSection={<Icon name="upload" />} {...props}>
            {source === null ? 'Take a row of a file' : 'Choose another file'}
          </Button>
        )}
      </FileButton>
      {fault === null ? null : (
        <Note tone="warn" title="The columns do not match the inputs.">
          {fault}
        </Note>
      )}
    </div>
  );
}

interface RowsProps extends Pick<TakeRowProps, 'signature' | 'onTake'> {
  readonly source: RowSource;
}

/** Fills the form with a row of a file. Each click takes the next row. */
function Rows({ source, signature, onTake }: RowsProps): ReactElement {
  const [row, setRow] = useState(0);
  const [taken, setTaken] = useState<number | null>(null);
  const size = source.csv.rows.length;
  const truth = source.mapping.truth === null || taken === null ? undefined : source.csv.rows[taken]?.[source.mapping.truth];
  return (
    <>
      <span className="row wrap">
        <NumberInput
          aria-label={`Row of ${source.name}`}
          className="row-number"
          min={1}
          max={size}
          value={row + 1}
          onChange={(value) => setRow(Math.max(0, Math.min(size - 1, Math.floor(Number(value)) - 1 || 0)))}
        />
        <Button
          onClick={() => {
            onTake(rowValues(source.csv.rows[row] ?? [], signature.inputs, source.mapping));
            setTaken(row);
            setRow((row + 1) % size);
          }}
        >
          Take row {row + 1} of {source.name}
        </Button>
      </span>
      {taken === null ? null : (
        <p className="sm dim">
          Row {taken + 1} of {count(size)}
          {truth === undefined ? '' : `; its label is ${truth}`}.
        </p>
      )}
    </>
  );
}

/** The column names of an input, if the file has a header. */
function namesOf({ csv, mapping }: RowSource, { name }: SignatureTensor): readonly string[] {
  return csv.hasHeader ? (mapping.inputs[name] ?? []).map((column) => csv.header[column] ?? '') : [];
}

interface FieldProps {
  readonly input: SignatureTensor;
  readonly values: readonly (number | string)[];
  readonly names: readonly string[];
  readonly onChange: (values: readonly (number | string)[]) => void;
}

function Field({ input, values, names, onChange }: FieldProps): ReactElement {
  const label = `${input.name} ${formatShape(input)}`;
  if (isText(input)) {
    return (
      <Textarea
        label={label}
        autosize
        minRows={3}
        value={String(values[0] ?? '')}
        onChange={(event) => onChange([event.currentTarget.value])}
      />
    );
  }
  if (values.length <= formValuesMax && valuesPerRow(input) !== null) {
    return (
      <fieldset className="numbers">
        <legend>{label}</legend>
        {values.map((value, index) => {
          const name = names[index] ?? `${index}`;
          return (
            <NumberInput
              key={name}
              label={name}
              value={value}
              hideControls
              onChange={(changed) => onChange(values.map((each, place) => (place === index ? Number(changed) : each)))}
            />
          );
        })}
      </fieldset>
    );
  }
  return <Many label={label} size={valuesPerRow(input)} values={values} onChange={onChange} />;
}

function Many({
  label,
  size,
  values,
  onChange,
}: Pick<FieldProps, 'values' | 'onChange'> & { readonly label: string; readonly size: number | null }): ReactElement {
  const [text, setText] = useState<string | null>(null);
  const shown = text ?? values.join(', ');
  const parts = shown.split(/[\s,;]+/).filter((part) => part !== '');
  const wrong = parts.find((part) => !Number.isFinite(Number(part)));
  const fault =
    wrong !== undefined
      ? `“${wrong}” is not a number`
      : size !== null && parts.length !== size
        ? `Expected ${size} numbers, got ${parts.length}`
        : null;
  return (
    <Textarea
      label={label}
      description={`${size ?? 'Any number of'} numbers, separated by commas or spaces`}
      autosize
      minRows={4}
      maxRows={12}
      className="mono"
      value={shown}
      error={fault}
      onChange={(event) => {
        const { value } = event.currentTarget;
        setText(value);
        onChange(
          value
            .split(/[\s,;]+/)
            .filter((part) => part !== '')
            .map(Number),
        );
      }}
      onBlur={() => {
        if (fault === null) setText(null);
      }}
    />
  );
}
