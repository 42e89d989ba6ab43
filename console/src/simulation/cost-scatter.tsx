/** On-time share against cost. Up and left is better; policies in the tinted area miss the objective. */
import type { ReactElement } from 'react';
import type { PolicyResultBody, SimulationResultBody } from '../../../src/api/index.ts';
import { Card } from '../kit/card.tsx';
import { fixed, percent, usd } from '../kit/format/format.ts';
import { policyName, promisedShareOf } from './simulations.ts';

const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
const [width, height, left, bottom, top] = [360, 262, 44, 38, 24];

export function CostScatter({ run, best }: { readonly run: SimulationResultBody; readonly best: PolicyResultBody | null }): ReactElement {
  const { results } = run;
  const promised = promisedShareOf(run);
  const least = Math.min(promised, ...results.map(({ in_time: share }) => share));
  const step = steps.find((each) => (1 - least) * 1.1 <= 5 * each) ?? 0.25;
  const floor = Math.max(0, 1 - step * Math.max(2, Math.ceil(((1 - least) * 1.1) / step)));
  const costMax = Math.max(...results.map(({ cost_usd: cost }) => cost)) * 1.15 || 1;
  const x = (cost: number): number => left + (cost / costMax) * (width - left - 10);
  const y = (share: number): number => top + ((1 - share) / (1 - floor)) * (height - top - bottom);
  const ticks = Array.from({ length: Math.round((1 - floor) / step) + 1 }, (_, i) => 1 - step * i);
  const positions = labelPositions(
    results.map((result) => ({ x: x(result.cost_usd), y: y(result.in_time), length: policyName(result.policy).length })),
  );
  return (
    <Card title="Cost and in-time share" end="left and up is better" padded>
      <svg viewBox={`0 0 ${width} ${height}`} width="100%" role="img" aria-label={describeResults(results)}>
        <rect x={left} y={y(promised)} width={width - left - 10} height={Math.max(0, height - bottom - y(promised))} fill="var(--over)" />
        {ticks.map((share) => (
          <g key={share}>
            <line className="gl" x1={left} x2={width - 10} y1={y(share)} y2={y(share)} />
            <text x={left - 6} y={y(share) + 4} textAnchor="end">
              {fixed(share * 100, step < 0.01 ? 1 : 0)} %
            </text>
          </g>
        ))}
        <line x1={left} x2={width - 10} y1={y(promised)} y2={y(promised)} stroke="var(--bad)" strokeDasharray="4 3" />
        {costTicks(costMax).map((cost) => (
          <text key={cost} x={x(cost)} y={height - bottom + 18} textAnchor="middle">
            {usd(cost)}
          </text>
        ))}
        <text x={0} y={11}>
          requests in time
        </text>
        <text x={width - 10} y={height - 4} textAnchor="end">
          cost of the whole load
        </text>
        {results.map((result, i) => {
          const [cx, cy, isBest] = [x(result.cost_usd), y(result.in_time), result === best];
          const place = positions[i] ?? { x: cx, y: cy, isLeft: false };
          return (
            <g key={result.policy}>
              <title>{`${policyName(result.policy)}: ${usd(result.cost_usd)}, ${percent(result.in_time)} % in time`}</title>
              {isBest ? (
                <path d={`M${cx} ${cy - 6} ${cx + 6} ${cy} ${cx} ${cy + 6} ${cx - 6} ${cy}z`} fill="var(--accent)" />
              ) : (
                <circle cx={cx} cy={cy} r="4.5" fill="var(--surface)" stroke="var(--ink-2)" strokeWidth="1.5" />
              )}
              <text className="scatter-name" x={place.x} y={place.y} textAnchor={place.isLeft ? 'end' : 'start'}>
                {policyName(result.policy)}
              </text>
            </g>
          );
        })}
      </svg>
    </Card>
  );
}

/** Three to six round amounts. */
function costTicks(costMax: number): number[] {
  const power = 10 ** Math.floor(Math.log10(costMax / 3));
  const tick = ([5, 2, 1].find((each) => each * power * 3 <= costMax) ?? 1) * power;
  return Array.from({ length: Math.floor((costMax * 0.95) / tick) }, (_, i) => tick * (i + 1));
}

interface Point {
  readonly x: number;
  readonly y: number;
  /** Characters of the label. */
  readonly length: number;
}

const characterWidth = 6.2;
const lineHeight = 13;

/** Places labels next to their points, towards the middle, moved up or down until none overlaps. */
function labelPositions(points: readonly Point[]): { x: number; y: number; isLeft: boolean }[] {
  const taken: { from: number; to: number; y: number }[] = [];
  return points.map(({ x, y, length }) => {
    const isLeft = x > width * 0.55;
    const start = isLeft ? x - 9 : x + 9;
    const [from, to] = isLeft ? [start - length * characterWidth, start] : [start, start + length * characterWidth];
    const isFree = (at: number): boolean =>
      taken.every((other) => other.to < from || other.from > to || Math.abs(other.y - at) >= lineHeight);
    const tries = [4, 17, -9, 30, -22, 43, 56].map((offset) => y + offset).filter((at) => at >= 10);
    const at = tries.find(isFree) ?? y + 4;
    taken.push({ from, to, y: at });
    return { x: start, y: at, isLeft };
  });
}

function describeResults(results: readonly PolicyResultBody[]): string {
  return results.map((result) => `${policyName(result.policy)}: ${usd(result.cost_usd)}, ${percent(result.in_time)} % in time`).join('; ');
}
