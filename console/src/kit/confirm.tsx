/** Before something is destroyed: what will be so from then on, in numbers, and the name typed by whoever wants it. */
import { Button, Modal, TextInput } from '@mantine/core';
import { type ReactElement, useState } from 'react';
import { Failure } from './loaded.tsx';

export interface ConfirmProps {
  /** `Delete endpoint digits?` */
  readonly title: string;
  readonly consequences: readonly string[];
  /** Has to be typed; nothing has where what is done can be undone. */
  readonly typed?: { readonly label: string; readonly name: string };
  /** The verb with its object: `Delete endpoint`. */
  readonly action: string;
  readonly onConfirm: () => Promise<unknown>;
  readonly onClose: () => void;
}

export function Confirm({ title, consequences, typed, action, onConfirm, onClose }: ConfirmProps): ReactElement {
  const [name, setName] = useState('');
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const isReady = typed === undefined || name === typed.name;
  const confirm = async (): Promise<void> => {
    setIsBusy(true);
    try {
      await onConfirm();
      onClose();
    } catch (thrown) {
      setError(thrown as Error);
      setIsBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={title}>
      <form
        className="confirm"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) void confirm();
        }}
      >
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
        {error === null ? null : <Failure error={error} what={`${action}: it was refused.`} />}
        <div className="row">
          <Button type="submit" variant="danger" disabled={!isReady} loading={isBusy}>
            {action}
          </Button>
          <Button onClick={onClose}>Cancel</Button>
        </div>
      </form>
    </Modal>
  );
}
