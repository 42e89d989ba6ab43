/** Takes a dead node out of the cluster. */
import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import { path, remove } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { Confirm } from '../kit/confirm.tsx';

export function RemoveNode({ name }: { readonly name: string }): ReactElement | null {
  const mayChange = useHasPermission('administer');
  const client = useQueryClient();
  const [isOpen, setIsOpen] = useState(false);
  if (!mayChange) return null;
  return (
    <>
      <Button size="compact-xs" onClick={() => setIsOpen(true)} aria-label={`Remove node ${name}`}>
        Remove
      </Button>
      {isOpen ? (
        <Confirm
          title={`Remove node ${name}?`}
          consequences={[
            'It is listed no more, and its certificates are refused.',
            'A process that is started under its name joins as a new node.',
          ]}
          action="Remove node"
          onConfirm={async () => {
            await remove(path('/cluster/nodes/:node', { node: name }));
            await client.invalidateQueries({ queryKey: ['cluster'] });
          }}
          onClose={() => setIsOpen(false)}
        />
      ) : null}
    </>
  );
}
