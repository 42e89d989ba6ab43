/** A model that comes with Penstock, on its way to be deployed: registered and approved with one button. */
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { takeFromCatalogue } from '../../api/models.ts';
import { catalogueQuery } from '../../api/queries.ts';
import { useMay } from '../../api/session.ts';
import { Card } from '../../kit/card.tsx';
import { fixed, shape } from '../../kit/format.ts';
import { Failure } from '../../kit/loaded.tsx';

interface FromCatalogueProps {
  readonly name: string;
  readonly onTaken: (model: string) => void;
}

export function FromCatalogue({ name, onTaken }: FromCatalogueProps): ReactElement | null {
  const client = useQueryClient();
  const { data } = useQuery(catalogueQuery());
  const [mayRegister, mayApprove] = [useMay('register'), useMay('approve')];
  const take = useMutation({
    mutationFn: () => takeFromCatalogue(name, { approve: true }),
    onSuccess: ({ name: model }) => onTaken(model),
    onSettled: () => client.invalidateQueries(),
  });
  const entry = data?.items.find((each) => each.name === name);
  if (entry === undefined) return null;
  const { title, input, accuracy } = entry;
  return (
    <Card title={title} padded className="section">
      <p className="mut">
        {input.name} {shape(input)}. Accuracy {fixed(accuracy.value, 3)} on {accuracy.rows} held-out rows. It comes with Penstock; nothing
        is downloaded.
      </p>
      {take.error === null ? null : <Failure error={take.error} what={`${name} was not registered.`} />}
      {mayRegister && mayApprove ? (
        <div className="row stage-actions">
          <Button variant="filled" loading={take.isPending} onClick={() => take.mutate()}>
            Register {name}
          </Button>
        </div>
      ) : (
        <p className="mut">Somebody who may register and approve has to do that first.</p>
      )}
    </Card>
  );
}
