/** Who looks, what they may do, and the way out. */
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { SessionBody } from '../../../src/api/index.ts';
import { sessionQuery, signOut } from '../api/session.ts';
import { Ago } from '../kit/ago.tsx';
import { Card } from '../kit/card.tsx';
import { Loaded } from '../kit/loaded.tsx';
import { Pairs } from '../kit/pairs.tsx';
import { rights } from './roles.ts';

const ways: Readonly<Record<SessionBody['kind'], string>> = {
  loopback: 'on this machine, which needs no key',
  key: 'with a key',
  session: 'signed in',
};

export function Session(): ReactElement {
  const client = useQueryClient();
  const query = useQuery(sessionQuery());
  const leave = async (): Promise<void> => {
    await signOut();
    await client.resetQueries();
  };
  return (
    <Card title="You" padded>
      <Loaded query={query} what="Who you are could not be loaded.">
        {({ key_id: id, role, kind, expires_at: expires }) => (
          <>
            <Pairs
              pairs={[
                [
                  'Key',
                  <span key="id" className="mono">
                    {id}
                  </span>,
                ],
                ['Role', role],
                ['May', rights[role] ?? ''],
                ['Here', ways[kind]],
                ...(expires === null ? [] : [['Until', <Ago key="until" at={expires} />] as const]),
              ]}
            />
            {kind === 'session' ? (
              <div className="row above">
                <Button onClick={() => void leave()}>Sign out</Button>
              </div>
            ) : null}
          </>
        )}
      </Loaded>
    </Card>
  );
}
