/** Registers and approves a catalogue model with one button, so that it can be deployed. */
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { registerFromCatalogue } from '../../api/models.ts';
import { catalogueQuery } from '../../api/queries.ts';
import { useHasPermission } from '../../api/session.ts';
import { Card } from '../../kit/card.tsx';
import { fixed, shape } from '../../kit/format/format.ts';
import { LoadFailure } from '../../kit/page/loaded.tsx';

interface FromCatalogueProps {
  readonly name: string;
  readonly onRegistered: (model: string) => void;
}

export function FromCatalogue({ name, onRegistered }: FromCatalogueProps): ReactElement | null {
  const client = useQueryClient();
  const { data } = useQuery(catalogueQuery());
  const [mayRegister, mayApprove] = [useHasPermission('register'), useHasPermission('approve')];
  const take = useMutation({
    mutationFn: () => registerFromCatalogue(name, { approve: true }),
    onSuccess: ({ name: model }) => onRegistered(model),
    onSettled: () => client.invalidateQueries(),
  });
  const entry = data?.items.find((each) => each.name === name);
  if (entry === undefined) return null;
  const { title, input, accuracy } = entry;
  return (
    <Card title={title} padded className="section">
      <p className="mut">
        {input.name} {shape(input)}. Accuracy {fixed(accuracy.value, 3)} on {accuracy.rows} held-out rows. Included with Penstock, no
        download.
      </p>
      {take.error === null ? null : <LoadFailure error={take.error} what={`${name} was not registered.`} />}
      {mayRegister && mayApprove ? (
        <div className="row stage-actions">
          <Button variant="filled" loading={take.isPending} onClick={() => take.mutate()}>
            Register {name}
          </Button>
        </div>
      ) : (
        <p className="mut">A user with permission to register and approve models has to do this first.</p>
      )}
    </Card>
  );
}
