/** Deploys the selection that the page shows, under a name. */
import { Button, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useState } from 'react';
import type { EndpointBody } from '../../../src/api/index.ts';
import { post } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { LoadFailure } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import type { SelectionAsk } from '../kit/plans/selection-plans.ts';

interface ServeCardProps {
  readonly ask: SelectionAsk;
  /** Nothing is certified: then only the best model alone could serve. */
  readonly isProven: boolean;
}

export function ServeCard({ ask, isProven }: ServeCardProps): ReactElement | null {
  const mayDeploy = useHasPermission('deploy');
  const client = useQueryClient();
  const [name, setName] = useState(ask.set);
  const { set, models, floor, objective, rate } = ask;
  const deploy = useMutation({
    mutationFn: () => {
      const selection = { candidates: models, evaluation: set, floor, rate };
      return post<EndpointBody>('/endpoints', { name, objective, selection, variants: [{}] });
    },
    onSuccess: () => client.invalidateQueries({ queryKey: ['endpoints'] }),
  });
  if (!mayDeploy || !isProven) return null;
  const { data, error } = deploy;
  return (
    <Card title="Serve it" padded>
      <form
        className="row wrap serve-selection"
        onSubmit={(event) => {
          event.preventDefault();
          deploy.mutate();
        }}
      >
        <TextInput label="Endpoint" value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <Button type="submit" variant="filled" loading={deploy.isPending} disabled={name === ''}>
          Let Penstock select
        </Button>
        <span className="sm dim">
          Each batch runs the most accurate plan that still answers every waiting request in time, and none below the accuracy.
        </span>
      </form>
      {error === null ? null : <LoadFailure error={error} what={`${name} was not deployed.`} />}
      {data === undefined ? null : (
        <Note
          tone="accent"
          title={`${data.name} is ${data.status === 'InService' ? 'in service' : 'being created'}.`}
          end={
            <Button renderRoot={(props: object) => <Link to="/endpoints/$endpoint" params={{ endpoint: data.name }} {...props} />}>
              Open endpoint
            </Button>
          }
        />
      )}
    </Card>
  );
}
