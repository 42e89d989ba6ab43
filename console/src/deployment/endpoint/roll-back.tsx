/** Rolls back an update in progress, or an endpoint to its previous version, after a confirmation. Same as `penstock rollback`. */
import { useQueryClient } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { path, post } from '../../api/client.ts';
import { endpointQuery } from '../../api/queries.ts';
import { Confirm } from '../../kit/confirm.tsx';
import { isUpdateInProgress } from './rollout-state.ts';

/** The label of the action; null if there is no earlier generation. The server checks whether a version to return to still exists. */
export function rollBackVerb({ status, rollout, generation }: EndpointBody): string | null {
  if (isUpdateInProgress(rollout)) return 'Roll back the update';
  return generation > 1 && status !== 'Unloaded' ? 'Roll back to the previous version' : null;
}

export function RollBack({ endpoint, onClose }: { readonly endpoint: EndpointBody; readonly onClose: () => void }): ReactElement {
  const client = useQueryClient();
  const isShifting = isUpdateInProgress(endpoint.rollout);
  const serving = [...new Set(endpoint.variants.map(({ model }) => model))].join(' and ');
  const send = async (): Promise<void> => {
    const changed = await post<EndpointBody>(path('/endpoints/:endpoint/rollback', { endpoint: endpoint.name }));
    client.setQueryData(endpointQuery(endpoint.name).queryKey, changed);
  };
  return (
    <Confirm
      title={isShifting ? `Roll back the update of ${endpoint.name}?` : `Roll back ${endpoint.name} to the version before ${serving}?`}
      consequences={
        isShifting
          ? [
              `${serving} receives no more requests; the previous version receives all of them.`,
              'The previous workers are still running: it takes a second, and no request fails.',
            ]
          : [
              'The last other version that was fully deployed serves all requests as soon as its workers are ready.',
              'Other settings stay unchanged, and no request fails.',
              `${serving} is marked as rolled back: it is no longer proposed, and another rollback goes further back.`,
            ]
      }
      action="Roll back"
      onConfirm={send}
      onClose={onClose}
    />
  );
}
