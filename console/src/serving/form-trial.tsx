/** A form made from the signature: a field for each value where one can fill them in, one field for all of them else. */
import { Button, NumberInput, Textarea } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import { Card } from '../kit/card.tsx';
import { shape as shapeWords } from '../kit/format.ts';
import { Failure } from '../kit/loaded.tsx';
import type { TrialProps } from './csv-trial.tsx';
import { mappingFor, type RowValues, rowValues } from './mapping.ts';
import { isText, type Signature, type TensorSpec, valuesPerRow } from './signature.ts';
import { SingleResult } from './single-result.tsx';
import type { Samples } from './use-samples.ts';
import { useSingle } from './use-single.ts';

/** More fields than these nobody fills in one by one. */
const fieldsMax = 40;

function emptyRow({ inputs }: Signature): RowValues {
  return Object.fromEntries(
    inputs.map((input) => {
      const size = valuesPerRow(input) ?? 1;
      return [input.name, isText(input) ? Array.from({ length: size }, () => '') : Array.from({ length: size }, () => 0)];
    }),
  );
}

function sampleRow(samples: Samples, { inputs }: Signature, row: number): RowValues {
  const { csv } = samples;
  return rowValues(csv.rows[row % csv.rows.length] ?? [], inputs, mappingFor(csv, inputs));
}

export function FormTrial({ endpoint, signature, samples }: TrialProps): ReactElement {
  const [values, setValues] = useState<RowValues>(() => emptyRow(signature));
  const [sample, setSample] = useState(0);
  const { invoked, error, isBusy, send } = useSingle(endpoint.name, signature);
  return (
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
              names={namesOf(samples, signature, input)}
              onChange={(changed) => setValues({ ...values, [input.name]: changed })}
            />
          ))}
          {error === null ? null : <Failure error={error} what="The row was refused." />}
          <div className="row wrap">
            <Button type="submit" variant="filled" loading={isBusy}>
              Send row
            </Button>
            {samples === null ? null : (
              <Button
                onClick={() => {
                  setValues(sampleRow(samples, signature, sample));
                  setSample(sample + 1);
                }}
              >
                Fill in sample {(sample % samples.csv.rows.length) + 1}
              </Button>
            )}
          </div>
        </form>
      </Card>
      <div className="c7">
        <SingleResult endpoint={endpoint} signature={signature} values={values} labels={samples?.labels ?? null} invoked={invoked} />
      </div>
    </div>
  );
}

/** What the sample rows call the columns of an input. */
function namesOf(samples: Samples | null, { inputs }: Signature, input: TensorSpec): readonly string[] {
  if (samples === null || !samples.csv.hasHeader) return [];
  return (mappingFor(samples.csv, inputs).inputs[input.name] ?? []).map((column) => samples.csv.header[column] ?? '');
}

interface FieldProps {
  readonly input: TensorSpec;
  readonly values: readonly (number | string)[];
  readonly names: readonly string[];
  readonly onChange: (values: readonly (number | string)[]) => void;
}

function Field({ input, values, names, onChange }: FieldProps): ReactElement {
  const label = `${input.name} ${shapeWords(input)}`;
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
  if (values.length <= fieldsMax && valuesPerRow(input) !== null) {
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
      ? `“${wrong}” is no number`
      : size !== null && parts.length !== size
        ? `${parts.length} numbers, it takes ${size}`
        : null;
  return (
    <Textarea
      label={label}
      description={`${size ?? 'Any number of'} numbers, with commas or blanks between`}
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
