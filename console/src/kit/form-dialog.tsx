/** A form in a dialog: its fields, the error of the last attempt to save, and the buttons. */
import { Button, Modal } from '@mantine/core';
import { type ReactElement, type ReactNode, useState } from 'react';
import { LoadFailure } from './page/loaded.tsx';

export interface FormDialogProps {
  readonly title: string;
  /** The verb with its object: `Create alarm`. */
  readonly action: string;
  /** `The alarm was not saved.` */
  readonly failure: string;
  readonly isReady: boolean;
  /** The action destroys something. */
  readonly isDanger?: boolean;
  readonly size?: 'md' | 'lg';
  readonly onSave: () => Promise<unknown>;
  /** Called after saving, too. */
  readonly onClose: () => void;
  readonly children: ReactNode;
}

export function FormDialog({
  title,
  action,
  failure,
  isReady,
  isDanger = false,
  size = 'md',
  onSave,
  onClose,
  children,
}: FormDialogProps): ReactElement {
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const save = async (): Promise<void> => {
    setIsBusy(true);
    try {
      await onSave();
      onClose();
    } catch (thrown) {
      setError(thrown as Error);
      setIsBusy(false);
    }
  };
  return (
    <Modal opened onClose={onClose} title={title} size={size}>
      <form
        className="confirm"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) void save();
        }}
      >
        {children}
        {error === null ? null : <LoadFailure error={error} what={failure} />}
        <div className="row">
          <Button type="submit" variant={isDanger ? 'danger' : 'filled'} loading={isBusy} disabled={!isReady}>
            {action}
          </Button>
          <Button onClick={onClose}>Cancel</Button>
        </div>
      </form>
    </Modal>
  );
}
