/** The price table that plans, receipts and bills use. */
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { get } from '../api/client.ts';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { fixed, mib, usd, usdSmall } from '../kit/format/format.ts';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { Pairs } from '../kit/pairs.tsx';

interface PriceTable {
  readonly asOf: string;
  readonly instances: Readonly<
    Record<string, { readonly vcpu: number; readonly memoryMiB: number; readonly usdPerHour: number; readonly usdPerHourSpot?: number }>
  >;
  readonly functions: {
    readonly memoryMiB: readonly number[];
    readonly usdPerGbSecond: number;
    readonly usdPerInvocation: number;
    readonly billingGranularityMs: number;
    readonly usdPerProvisionedGbSecond: number;
  };
}

const hoursPerMonth = 730;

export function PricesCard(): ReactElement {
  const query = useQuery({ queryKey: ['prices'], queryFn: ({ signal }) => get<PriceTable>('/prices', {}, signal) });
  return (
    <LoadedContent query={query} what="The prices could not be loaded.">
      {({ asOf, instances, functions }) => (
        <div className="grid">
          <Card
            title="Instances"
            span={8}
            aside={<span className="sm dim">as of {asOf}</span>}
            footer="To add types or change prices, edit prices in config.json and restart the server."
          >
            <DataTable
              caption="Instance prices"
              rows={Object.entries(instances).map(([name, price]) => ({ name, ...price }))}
              keyOf={({ name }) => name}
              isDense
              columns={[
                { title: 'Type', sort: ({ name }) => name, cell: ({ name }) => <span className="mono">{name}</span> },
                {
                  title: 'vCPU',
                  isNumber: true,
                  sort: ({ vcpu }) => vcpu,
                  cell: ({ vcpu }) => fixed(vcpu, Number.isInteger(vcpu) ? 0 : 2),
                },
                { title: 'Memory', isNumber: true, sort: ({ memoryMiB }) => memoryMiB, cell: ({ memoryMiB }) => mib(memoryMiB) },
                {
                  title: 'Per hour',
                  isNumber: true,
                  sort: ({ usdPerHour }) => usdPerHour,
                  cell: ({ usdPerHour }) => usdSmall4(usdPerHour),
                },
                {
                  title: 'Spot per hour',
                  isNumber: true,
                  isWide: true,
                  cell: ({ usdPerHourSpot: spot }) => (spot === undefined ? '–' : usdSmall4(spot)),
                },
                { title: 'Per month', isNumber: true, isWide: true, cell: ({ usdPerHour }) => usd(usdPerHour * hoursPerMonth) },
              ]}
            />
          </Card>
          <Card title="Functions" span={4} padded>
            <Pairs
              pairs={[
                ['Per GB-second', usdSmall(functions.usdPerGbSecond)],
                ['Per invocation', usdSmall(functions.usdPerInvocation)],
                ['Billing increment', `${functions.billingGranularityMs} ms`],
                ['Provisioned, per GB-second', usdSmall(functions.usdPerProvisionedGbSecond)],
                ['Memory sizes', functions.memoryMiB.map((size) => fixed(size)).join(', ') + ' MB'],
              ]}
            />
          </Card>
        </div>
      )}
    </LoadedContent>
  );
}

/** Cloud providers list hourly prices with four decimals. */
function usdSmall4(value: number): string {
  return `$${fixed(value, 4)}`;
}
