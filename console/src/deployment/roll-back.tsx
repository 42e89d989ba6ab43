/** Ends an update by hand, or goes back to the version before: what `penstock rollback` does, asked for once more. */
import { useQueryClient } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { EndpointBody } from '../../../src/api/index.ts';
import { path, post } from '../api/client.ts';
import { endpointQuery } from '../api/queries.ts';
import { Confirm } from '../kit/confirm.tsx';

/** The verb, by what would be done; null where nothing ever was before. Whether there is a version to go back to, the server says. */
export function rollBackVerb({ status, rollout, generation }: EndpointBody): string | null {
  if (rollout?.state === 'shifting') return 'Take the update back';
  return generation > 1 && status !== 'Unloaded' ? 'Go back to the version before' : null;
}

export function RollBack({ endpoint, onClose }: { readonly endpoint: EndpointBody; readonly onClose: () => void }): ReactElement {
  const client = useQueryClient();
  const isShifting = endpoint.rollout?.state === 'shifting';
  const serving = [...new Set(endpoint.variants.map(({ model }) => model))].join(' and ');
  const send = async (): Promise<void> => {
    const changed = await post<EndpointBody>(path('/endpoints/:endpoint/rollback', { endpoint: endpoint.name }));
    client.setQueryData(endpointQuery(endpoint.name).queryKey, changed);
  };
  return (
    <Confirm
      title={isShifting ? `Take the update of ${endpoint.name} back?` : `Go back to the version before ${serving}?`}
      consequences={
        isShifting
          ? [
              `${serving} gets no more requests; what served before gets all of them.`,
              'The workers of before still run: it takes a second, and no request fails.',
            ]
          : [
              'The last other version that was in full service and kept serves all requests, as soon as its workers are ready.',
              'The other settings stay, and no request fails.',
              `${serving} counts as taken back: nobody gets it unasked, and going back once more goes further back.`,
            ]
      }
      action={isShifting ? 'Take back' : 'Go back'}
      onConfirm={send}
      onClose={onClose}
    />
  );
}
