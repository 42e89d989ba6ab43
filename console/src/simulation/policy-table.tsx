/** Compares policies: cost by executor, in-time share, p95 of typical and of slow minutes. */
import type { ReactElement } from 'react';
import type { PolicyResultBody, SimulationResultBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { Legend } from '../kit/charts/legend.tsx';
import { DataTable } from '../kit/data-table.tsx';
import { count, fixed, ms, parseObjectiveText, percent, usd } from '../kit/format/format.ts';
import { StateShape } from '../kit/state-mark.tsx';
import { bestOf, meetsObjective, policyName, promisedShareOf } from './simulations.ts';

export function PolicyTable({ run }: { readonly run: SimulationResultBody }): ReactElement {
  const best = bestOf(run, run.results);
  const costMax = Math.max(...run.results.map(({ cost_usd: cost }) => cost), Number.MIN_VALUE);
  const limitMs = parseObjectiveText(run.objective)?.latencyMs ?? Number.POSITIVE_INFINITY;
  const slow = (value: number | null) => (
    <span className={value !== null && value > limitMs ? 'bad' : ''}>
      {ms(value)}
      <span className="u">ms</span>
    </span>
  );
  return (
    <Card
      title="Policies"
      aside={
        <Legend
          items={[
            { label: 'instances', color: 'inst' },
            { label: 'functions', color: 'func' },
          ]}
        />
      }
      footer={`A policy meets the objective if at least ${fixed(promisedShareOf(run) * 100, 1)} % of all requests are in time.`}
    >
      <DataTable
        caption="Cost and in-time share by policy"
        rows={run.results}
        keyOf={({ policy }) => policy}
        isSelected={(result) => result === best && meetsObjective(run, result)}
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
          { title: 'Cost by executor', isWide: true, cell: (result) => <CostBar result={result} costMax={costMax} /> },
          { title: 'Cost', isNumber: true, sort: ({ cost_usd: cost }) => cost, cell: ({ cost_usd: cost }) => <b>{usd(cost)}</b> },
          { title: 'Per million', isNumber: true, isWide: true, cell: ({ cost_usd_per_million: cost }) => usd(cost) },
          {
            title: 'In time',
            isNumber: true,
            sort: ({ in_time: share }) => share,
            cell: (result) =>
              meetsObjective(run, result) ? (
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

function CostBar({ result, costMax }: { readonly result: PolicyResultBody; readonly costMax: number }): ReactElement {
  const width = (usdOf: number): number => (160 * usdOf) / costMax;
  const [instances, functions] = [width(result.instance_usd), width(result.function_usd)];
  return (
    <>
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
      <span className="two nw" aria-hidden="true">
        {[
          ...(result.instance_usd > 0 ? [`instances ${usd(result.instance_usd)}`] : []),
          ...(result.function_usd > 0 ? [`functions ${usd(result.function_usd)}`] : []),
        ].join(', ')}
      </span>
    </>
  );
}
