/** The built-in models: deploy with one click, or review the plan first. */
import { Button } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { CatalogueBody, EndpointBody } from '../../../src/api/index.ts';
import { post } from '../api/client.ts';
import { pricesQuery } from '../api/model-queries.ts';
import { registerFromCatalogue } from '../api/models.ts';
import { catalogueQuery, endpointsQuery } from '../api/queries.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { fixed, objective as objectiveText, shape, usd } from '../kit/format/format.ts';
import { LoadedContent, LoadFailure } from '../kit/page/loaded.tsx';

export function CatalogueCard(): ReactElement {
  const catalogue = useQuery(catalogueQuery());
  return (
    <Card title="Ready models" end="included with Penstock, no download">
      <LoadedContent query={catalogue} what="The catalogue could not be loaded." heights={[200]}>
        {({ items }) => (
          <ul className="catalogue">
            {items.map((entry) => (
              <Entry key={entry.name} entry={entry} />
            ))}
          </ul>
        )}
      </LoadedContent>
    </Card>
  );
}

function Entry({ entry }: { readonly entry: CatalogueBody }): ReactElement {
  const { name, title, input, accuracy, objective } = entry;
  return (
    <li>
      <h3>{title}</h3>
      <p className="mut">
        <code>{name}</code>
        <br />
        {input.name} {shape(input)}
      </p>
      <p className="sm dim">
        Accuracy {fixed(accuracy.value, 3)} on {accuracy.rows} held-out rows. Easily meets {objectiveText(objective)}.
      </p>
      <Actions entry={entry} />
    </li>
  );
}

function Actions({ entry }: { readonly entry: CatalogueBody }): ReactElement | null {
  const { name, objective } = entry;
  const client = useQueryClient();
  const navigate = useNavigate();
  const { data: endpoints } = useQuery(endpointsQuery());
  const { data: prices } = useQuery(pricesQuery());
  const [mayRegister, mayApprove, mayDeploy] = [useHasPermission('register'), useHasPermission('approve'), useHasPermission('deploy')];
  const deploy = useMutation({
    mutationFn: async () => {
      const { name: model } = await registerFromCatalogue(name, { approve: true });
      return post<EndpointBody>('/endpoints', { name, objective, variants: [{ model }] });
    },
    onSuccess: async (endpoint) => {
      await client.invalidateQueries();
      await navigate({ to: '/endpoints/$endpoint', params: { endpoint: endpoint.name } });
    },
  });
  const isDeployed = endpoints?.items.some((endpoint) => endpoint.name.toLowerCase() === name.toLowerCase()) ?? true;
  if (endpoints !== undefined && isDeployed) {
    return (
      <p className="row">
        <Link to="/endpoints/$endpoint" params={{ endpoint: name }}>
          Endpoint {name}
        </Link>
      </p>
    );
  }
  if (!mayDeploy || !mayRegister || !mayApprove) return null;
  const usdPerHour = prices?.instances['local.1']?.usdPerHour;
  return (
    <>
      {deploy.error === null ? null : <LoadFailure error={deploy.error} what={`${name} was not deployed.`} />}
      <div className="row wrap">
        <Button size="sm" loading={deploy.isPending} onClick={() => deploy.mutate()}>
          Deploy{usdPerHour === undefined ? '' : ` for ${usd(usdPerHour)} per hour`}
          <span className="unseen">, {name}</span>
        </Button>
        <Link to="/deploy" search={{ catalogue: name }} className="sm">
          Review the plan
          <span className="unseen">, {name}</span>
        </Link>
      </div>
    </>
  );
}
