/** Money against promise: left and up is better; what lies on tinted ground breaks the promise. */
import type { ReactElement } from 'react';
import type { PolicyResultBody, SimulationResultBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { percent, usd } from '../kit/format.ts';
import { policyName, promisedShare } from './simulations.ts';

const [width, height, left, bottom, top] = [360, 250, 44, 34, 14];

export function CostScatter({ run, best }: { readonly run: SimulationResultBody; readonly best: PolicyResultBody | null }): ReactElement {
  const { results } = run;
  const promised = promisedShare(run);
  const least = Math.min(promised, ...results.map(({ in_time: share }) => share));
  const floor = Math.max(0, 1 - (1 - least) * 1.25 - 0.002);
  const dearest = Math.max(...results.map(({ cost_usd: cost }) => cost)) * 1.15 || 1;
  const x = (cost: number): number => left + (cost / dearest) * (width - left - 10);
  const y = (share: number): number => top + ((1 - share) / (1 - floor)) * (height - top - bottom);
  const ticks = [0, 1, 2, 3].map((i) => 1 - ((1 - floor) * i) / 4);
  return (
    <Card title="Cost against promise" end="left and up is better" padded>
      <svg viewBox={`0 0 ${width} ${height}`} width="100%" role="img" aria-label={sentenceOf(results)}>
        <rect x={left} y={y(promised)} width={width - left - 10} height={Math.max(0, height - bottom - y(promised))} fill="var(--over)" />
        {ticks.map((share) => (
          <g key={share}>
            <line className="gl" x1={left} x2={width - 10} y1={y(share)} y2={y(share)} />
            <text x={left - 6} y={y(share) + 4} textAnchor="end">
              {percent(share)} %
            </text>
          </g>
        ))}
        <line x1={left} x2={width - 10} y1={y(promised)} y2={y(promised)} stroke="var(--bad)" strokeDasharray="4 3" />
        {[0.25, 0.5, 0.75].map((part) => (
          <text key={part} x={x(dearest * part)} y={height - bottom + 16} textAnchor="middle">
            {usd(dearest * part)}
          </text>
        ))}
        <text x={width - 10} y={height - 4} textAnchor="end">
          cost
        </text>
        {results.map((result, i) => {
          const [cx, cy, isBest] = [x(result.cost_usd), y(result.in_time), result === best];
          const isRight = cx > width * 0.6;
          return (
            <g key={result.policy}>
              <title>{`${policyName(result.policy)}: ${usd(result.cost_usd)}, ${percent(result.in_time)} % in time`}</title>
              {isBest ? (
                <path d={`M${cx} ${cy - 6} ${cx + 6} ${cy} ${cx} ${cy + 6} ${cx - 6} ${cy}z`} fill="var(--accent)" />
              ) : (
                <circle cx={cx} cy={cy} r="4.5" fill="var(--surface)" stroke="var(--ink-2)" strokeWidth="1.5" />
              )}
              <text
                className="scatter-name"
                x={isRight ? cx - 9 : cx + 9}
                y={cy + (i % 2 === 0 ? -5 : 13)}
                textAnchor={isRight ? 'end' : 'start'}
              >
                {policyName(result.policy)}
              </text>
            </g>
          );
        })}
      </svg>
    </Card>
  );
}

function sentenceOf(results: readonly PolicyResultBody[]): string {
  return results.map((result) => `${policyName(result.policy)}: ${usd(result.cost_usd)}, ${percent(result.in_time)} % in time`).join('; ');
}
