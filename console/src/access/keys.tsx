/** Lists, creates and revokes access keys. The secret of a key is shown only once, when it is created. */
import { Button, Modal, Select, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { CreatedKeyBody, KeyBody } from '../../../src/api/index.ts';
import { getAll, path, post, remove } from '../api/client.ts';
import { Card } from '../kit/card.tsx';
import { CodeBlock } from '../kit/code.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Ago } from '../kit/format/ago.tsx';
import { Icon } from '../kit/icon.tsx';
import { LoadedContent, LoadFailure } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { rights } from './roles.ts';

export function KeysCard(): ReactElement {
  const client = useQueryClient();
  const query = useQuery({ queryKey: ['keys'], queryFn: ({ signal }) => getAll<KeyBody>('/keys', {}, signal) });
  const [isAdding, setIsAdding] = useState(false);
  const [created, setCreated] = useState<CreatedKeyBody | null>(null);
  const [revoking, setRevoking] = useState<KeyBody | null>(null);
  const reload = (): Promise<void> => client.invalidateQueries({ queryKey: ['keys'] });
  return (
    <>
      {created === null ? null : <Created created={created} onClose={() => setCreated(null)} />}
      {isAdding ? (
        <NewKey
          onClose={() => setIsAdding(false)}
          onCreated={(key) => {
            setIsAdding(false);
            setCreated(key);
            void reload();
          }}
        />
      ) : null}
      {revoking === null ? null : (
        <Confirm
          title={`Revoke key ${revoking.id}?`}
          consequences={[
            'The key stops working at once and cannot be restored.',
            'Browsers signed in with it are signed out.',
            'Resources created with it remain.',
          ]}
          typed={{ label: 'Type the key ID', name: revoking.id }}
          action="Revoke key"
          onConfirm={async () => {
            await remove(path('/keys/:id', { id: revoking.id }));
            await reload();
          }}
          onClose={() => setRevoking(null)}
        />
      )}
      <Card
        title="Keys"
        end={
          <Button variant="filled" leftSection={<Icon name="plus" />} onClick={() => setIsAdding(true)}>
            Create a key
          </Button>
        }
        footer="A key has the form ID:SECRET. Use it as PENSTOCK_KEY, as the access key ID and secret of AWS clients, or to sign in here."
      >
        <LoadedContent query={query} what="The keys could not be loaded.">
          {({ items }) => <KeyTable keys={items} onRevoke={setRevoking} />}
        </LoadedContent>
      </Card>
    </>
  );
}

function KeyTable({ keys, onRevoke }: { readonly keys: readonly KeyBody[]; readonly onRevoke: (key: KeyBody) => void }): ReactElement {
  return (
    <DataTable
      caption="Keys"
      rows={keys}
      keyOf={({ id }) => id}
      columns={[
        {
          title: 'Key',
          cell: ({ id, description }) => (
            <>
              <span className="mono">{id}</span>
              <span className="two">{description}</span>
            </>
          ),
        },
        { title: 'Role', sort: ({ role }) => role, cell: ({ role }) => role },
        { title: 'Permissions', isWide: true, cell: ({ role }) => <span className="mut">{rights[role] ?? ''}</span> },
        { title: 'Created', sort: ({ created_at: at }) => at, cell: ({ created_at: at }) => <Ago at={at} /> },
        {
          title: 'Actions',
          cell: (key) => (
            <Button size="sm" onClick={() => onRevoke(key)} aria-label={`Revoke ${key.id}`}>
              Revoke
            </Button>
          ),
        },
      ]}
    />
  );
}

function Created({
  created: { id, secret, role },
  onClose,
}: {
  readonly created: CreatedKeyBody;
  readonly onClose: () => void;
}): ReactElement {
  return (
    <div className="section">
      <Note
        tone="accent"
        icon="check"
        title={`Key ${id} was created with role ${role}.`}
        end={
          <Button size="sm" onClick={onClose}>
            Done
          </Button>
        }
      >
        Copy the secret now: it is shown only once.
        <CodeBlock label="The key" text={`export PENSTOCK_KEY=${id}:${secret}`} />
      </Note>
    </div>
  );
}

interface NewKeyProps {
  readonly onClose: () => void;
  readonly onCreated: (key: CreatedKeyBody) => void;
}

function NewKey({ onClose, onCreated }: NewKeyProps): ReactElement {
  const [role, setRole] = useState<string>('viewer');
  const [description, setDescription] = useState('');
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const create = (): void => {
    setIsBusy(true);
    post<CreatedKeyBody>('/keys', { role, description })
      .then(onCreated)
      .catch((thrown: unknown) => {
        setError(thrown as Error);
        setIsBusy(false);
      });
  };
  return (
    <Modal opened onClose={onClose} title="Create a key">
      <form
        className="confirm"
        onSubmit={(event) => {
          event.preventDefault();
          create();
        }}
      >
        <TextInput
          data-autofocus
          label="Description"
          placeholder="Wall display"
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
          maxLength={1024}
        />
        <Select
          label="Role"
          description={`Allows to ${rights[role] ?? ''}.`}
          value={role}
          onChange={(value) => setRole(value ?? 'viewer')}
          allowDeselect={false}
          data={Object.keys(rights)}
        />
        {error === null ? null : <LoadFailure error={error} what="The key could not be created." />}
        <div className="row">
          <Button type="submit" variant="filled" loading={isBusy}>
            Create {role} key
          </Button>
          <Button onClick={onClose}>Cancel</Button>
        </div>
      </form>
    </Modal>
  );
}
