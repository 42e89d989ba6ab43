/** Keys: who there is and what they may; a new one, whose secret is shown this once; one that opens nothing any more. */
import { Button, Modal, Select, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import type { CreatedKeyBody, KeyBody } from '../../../src/api/index.ts';
import { getAll, path, post, remove } from '../api/client.ts';
import { Ago } from '../kit/ago.tsx';
import { Card } from '../kit/card.tsx';
import { CodeBlock } from '../kit/code.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { Icon } from '../kit/icon.tsx';
import { Failure, Loaded } from '../kit/loaded.tsx';
import { Note } from '../kit/note.tsx';
import { rights } from './roles.ts';

export function Keys(): ReactElement {
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
            'From now on it opens nothing, for good.',
            'Browsers that have signed in with it are signed out.',
            'What it made stays.',
          ]}
          typed={{ label: 'Type the id of the key', name: revoking.id }}
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
        footer="A key is ID:SECRET: PENSTOCK_KEY for programs, the AWS key id and secret for AWS's clients, and what one signs in with here."
      >
        <Loaded query={query} what="The keys could not be loaded.">
          {({ items }) => <KeyTable keys={items} onRevoke={setRevoking} />}
        </Loaded>
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
        { title: 'May', isWide: true, cell: ({ role }) => <span className="mut">{rights[role] ?? ''}</span> },
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
        title={`Key ${id} is made, of role ${role}.`}
        end={
          <Button size="sm" onClick={onClose}>
            I have it
          </Button>
        }
      >
        Its secret is shown this once.
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
          label="For whom, for what"
          placeholder="the wall display"
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
          maxLength={1024}
        />
        <Select
          label="Role"
          description={`May ${rights[role] ?? ''}.`}
          value={role}
          onChange={(value) => setRole(value ?? 'viewer')}
          allowDeselect={false}
          data={Object.keys(rights)}
        />
        {error === null ? null : <Failure error={error} what="The key was not made." />}
        <div className="row">
          <Button type="submit" variant="filled" loading={isBusy}>
            Create key of role {role}
          </Button>
          <Button onClick={onClose}>Cancel</Button>
        </div>
      </form>
    </Modal>
  );
}
