/** The policies beside each other: money by kind, what was in time, how slow the slow minutes were. */
import type { ReactElement } from 'react';
import type { PolicyResultBody, SimulationResultBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { count, fixed, ms, parseObjective, percent, usd } from '../kit/format.ts';
import { Legend } from '../kit/legend.tsx';
import { StateShape } from '../kit/state-mark.tsx';
import { bestOf, keepsPromise, policyName, promisedShare } from './simulations.ts';

export function PolicyTable({ run }: { readonly run: SimulationResultBody }): ReactElement {
  const best = bestOf(run, run.results);
  const dearest = Math.max(...run.results.map(({ cost_usd: cost }) => cost), Number.MIN_VALUE);
  const limitMs = parseObjective(run.objective)?.latencyMs ?? Number.POSITIVE_INFINITY;
  const slow = (value: number | null) => (
    <span className={value !== null && value > limitMs ? 'bad' : ''}>
      {ms(value)}
      <span className="u">ms</span>
    </span>
  );
  return (
    <Card
      title="Policies"
      beside={
        <Legend
          items={[
            { label: 'instances', color: 'inst' },
            { label: 'functions', color: 'func' },
          ]}
        />
      }
      footer={`Of all requests. A policy keeps the promise when at least ${fixed(promisedShare(run) * 100, 1)} % of them are in time.`}
    >
      <DataTable
        caption="What each policy costs, and what it keeps"
        rows={run.results}
        keyOf={({ policy }) => policy}
        isSelected={(result) => result === best && keepsPromise(run, result)}
        isDense
        columns={[
          {
            title: 'Policy',
            sort: ({ policy }) => policy,
            cell: ({ policy }) => (
              <>
                <b>{policyName(policy)}</b>
                <span className="two mono">{policy.replace('deployed: ', '')}</span>
              </>
            ),
          },
          { title: 'Money', isWide: true, cell: (result) => <Money result={result} dearest={dearest} /> },
          { title: 'Cost', isNumber: true, sort: ({ cost_usd: cost }) => cost, cell: ({ cost_usd: cost }) => <b>{usd(cost)}</b> },
          { title: 'Per million', isNumber: true, isWide: true, cell: ({ cost_usd_per_million: cost }) => usd(cost) },
          {
            title: 'In time',
            isNumber: true,
            sort: ({ in_time: share }) => share,
            cell: (result) =>
              keepsPromise(run, result) ? (
                `${percent(result.in_time)} %`
              ) : (
                <span className="bad nw">
                  <StateShape kind="warn" /> {percent(result.in_time)} %
                </span>
              ),
          },
          { title: 'p95, median', isNumber: true, isWide: true, cell: ({ p95_of_minutes: p95 }) => slow(p95.median_ms) },
          { title: 'p95, worst 1 %', isNumber: true, isWide: true, cell: ({ p95_of_minutes: p95 }) => slow(p95.worst_ms) },
          { title: 'On functions', isNumber: true, isWide: true, cell: ({ function_share: share }) => `${percent(share)} %` },
          { title: 'Instance-hours', isNumber: true, isWide: true, cell: ({ instance_hours: hours }) => fixed(hours, 1) },
          { title: 'Changes', isNumber: true, isWide: true, cell: ({ changes }) => count(changes) },
        ]}
      />
    </Card>
  );
}

function Money({ result, dearest }: { readonly result: PolicyResultBody; readonly dearest: number }): ReactElement {
  const width = (usdOf: number): number => (160 * usdOf) / dearest;
  const [instances, functions] = [width(result.instance_usd), width(result.function_usd)];
  return (
    <svg
      className="policy-money"
      viewBox="0 0 164 12"
      preserveAspectRatio="none"
      role="img"
      aria-label={`instances ${usd(result.instance_usd)}, functions ${usd(result.function_usd)}`}
    >
      <rect x="0" y="1" width={instances} height="10" rx="2" fill="var(--inst)" />
      <rect x={instances + (instances > 0 ? 2 : 0)} y="1" width={functions} height="10" rx="2" fill="var(--func)" />
    </svg>
  );
}
