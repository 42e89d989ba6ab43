/** Maps CSV columns to inputs, and selects the label column. */
import { Button, Modal, MultiSelect, Select } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import type { Csv } from './csv.ts';
import { type Mapping, mappingFault } from './mapping.ts';
import { type SignatureTensor, valuesPerRow } from './signature.ts';

interface MappingProps {
  readonly csv: Csv;
  readonly inputs: readonly SignatureTensor[];
  readonly mapping: Mapping;
  readonly onChange: (mapping: Mapping) => void;
  readonly onClose: () => void;
}

const pickedMax = 24;

export function MappingDialog({ csv, inputs, mapping, onChange, onClose }: MappingProps): ReactElement {
  const [draft, setDraft] = useState(mapping);
  const columns = csv.header.map((name, index) => ({ value: String(index), label: name }));
  const fault = mappingFault(csv, inputs, draft);
  const setInput = (name: string, chosen: readonly number[]): void => setDraft({ ...draft, inputs: { ...draft.inputs, [name]: chosen } });
  return (
    <Modal opened onClose={onClose} title="Map columns to inputs" size="lg">
      <div className="confirm">
        <Select
          label="Label column"
          data={[{ value: '', label: 'none' }, ...columns]}
          value={draft.truth === null ? '' : String(draft.truth)}
          onChange={(value) => setDraft({ ...draft, truth: value === null || value === '' ? null : Number(value) })}
          allowDeselect={false}
        />
        {inputs.map((input) => {
          const size = valuesPerRow(input);
          const chosen = draft.inputs[input.name] ?? [];
          if (size === 1) {
            return (
              <Select
                key={input.name}
                label={input.name}
                data={columns}
                value={String(chosen[0] ?? '')}
                onChange={(value) => setInput(input.name, value === null ? [] : [Number(value)])}
              />
            );
          }
          if (csv.header.length <= pickedMax) {
            return (
              <MultiSelect
                key={input.name}
                label={`${input.name}, ${size ?? 'any number of'} columns in this order`}
                data={columns}
                value={chosen.map(String)}
                onChange={(values) => setInput(input.name, values.map(Number))}
              />
            );
          }
          return (
            <Select
              key={input.name}
              label={`First column of ${input.name}`}
              description={`Uses ${size ?? 'all'} columns from there, except the label`}
              data={columns}
              value={String(chosen[0] ?? 0)}
              onChange={(value) => setInput(input.name, from(csv, Number(value ?? 0), size, draft.truth))}
            />
          );
        })}
        {fault === null ? null : <p className="bad">{fault}</p>}
        <div className="row">
          <Button
            variant="filled"
            disabled={fault !== null}
            onClick={() => {
              onChange(draft);
              onClose();
            }}
          >
            Map columns
          </Button>
          <Button onClick={onClose}>Cancel</Button>
        </div>
      </div>
    </Modal>
  );
}

function from(csv: Csv, start: number, size: number | null, truth: number | null): number[] {
  const rest = csv.header.map((_, index) => index).filter((index) => index >= start && index !== truth);
  return size === null ? rest : rest.slice(0, size);
}
