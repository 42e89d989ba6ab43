/** The current session: key, role, permissions, and signing out. */
import { Button } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { SessionBody } from '../../../src/api/index.ts';
import { sessionQuery, signOut } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { Until } from '../kit/format/ago.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { Pairs } from '../kit/pairs.tsx';
import { rights } from './roles.ts';

const accessTexts: Readonly<Record<SessionBody['kind'], string>> = {
  loopback: 'local access, no key required',
  key: 'API key',
  session: 'browser session',
};

export function SessionCard(): ReactElement {
  const client = useQueryClient();
  const query = useQuery(sessionQuery());
  const leave = async (): Promise<void> => {
    await signOut();
    await client.resetQueries();
  };
  return (
    <Card title="You" padded>
      <LoadedContent query={query} what="The session could not be loaded.">
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
                ['Permissions', rights[role] ?? ''],
                ['Access', accessTexts[kind]],
                ...(expires === null ? [] : [['Expires', <Until key="until" at={expires} />] as const]),
              ]}
            />
            {kind === 'session' ? (
              <div className="row above">
                <Button onClick={() => void leave()}>Sign out</Button>
              </div>
            ) : null}
          </>
        )}
      </LoadedContent>
    </Card>
  );
}
