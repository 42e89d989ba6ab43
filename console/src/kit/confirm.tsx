/** Confirms a destructive action: lists its consequences and, if it cannot be undone, requires the name to be typed. */
import { TextInput } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import { FormDialog } from './form-dialog.tsx';

export interface ConfirmProps {
  /** `Delete endpoint digits?` */
  readonly title: string;
  readonly consequences: readonly string[];
  /** The name to type. Leave it out for actions that can be undone. */
  readonly typed?: { readonly label: string; readonly name: string };
  /** The verb with its object: `Delete endpoint`. */
  readonly action: string;
  readonly onConfirm: () => Promise<unknown>;
  readonly onClose: () => void;
}

export function Confirm({ title, consequences, typed, action, onConfirm, onClose }: ConfirmProps): ReactElement {
  const [name, setName] = useState('');
  const isReady = typed === undefined || name === typed.name;
  const failure = `${action}: the request failed.`;
  return (
    <FormDialog title={title} action={action} failure={failure} isReady={isReady} isDanger onSave={onConfirm} onClose={onClose}>
      <ul className="mut">
        {consequences.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      {typed === undefined ? null : (
        <TextInput
          data-autofocus
          label={typed.label}
          placeholder={typed.name}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          autoComplete="off"
        />
      )}
    </FormDialog>
  );
}
