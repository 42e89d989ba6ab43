/** The distribution of predicted latencies, with percentiles, the objective, and the share that misses it. */
import type { ReactElement } from 'react';
import type { DeploymentPlanBody } from '../../../../src/api/index.ts';
import { useWidth } from '../../kit/charts/use-width.ts';
import { ms, objective as objectiveText, parseObjectiveText, percent } from '../../kit/format/format.ts';
import { axisSteps, heightAt, latencyShape } from './latency-shape.ts';

type Chosen = NonNullable<DeploymentPlanBody['chosen']>;

const height = 132;
const left = 6;

export function LatencyChart({ chosen, objective }: { readonly chosen: Chosen; readonly objective: string }): ReactElement {
  const [box, width] = useWidth<HTMLDivElement>();
  return (
    <div ref={box} className="curve">
      {width > 0 ? <Hill chosen={chosen} objective={objective} width={width} /> : null}
    </div>
  );
}

function Hill({ chosen, objective, width }: { readonly chosen: Chosen; readonly objective: string; readonly width: number }): ReactElement {
  const parsed = parseObjectiveText(objective);
  const points = latencyShape(chosen.distribution);
  const toMs = chosen.distribution.step_ms * (chosen.distribution.shares.length - 1);
  const base = height - 22;
  const x = (value: number): number => left + (Math.min(value, toMs) / toMs) * (width - left - 8);
  const y = (share: number): number => base - share * (base - 16);
  const corner = (point: { ms: number; height: number }): string => `${x(point.ms).toFixed(1)} ${y(point.height).toFixed(1)}`;
  const line = `M${[{ ms: 0, height: 0 }, ...points].map(corner).join(' L')}`;
  const limit = parsed === null ? null : x(parsed.latencyMs);
  const beyond = parsed === null ? [] : points.filter((point) => point.ms >= parsed.latencyMs);
  const [isNarrow, isShort] = [width < 420, width < 300];
  return (
    <svg width={width} height={height} role="img" aria-label={describeLatency(chosen, objective)}>
      {limit === null ? null : <rect x={limit} y="4" width={Math.max(0, width - 8 - limit)} height={base - 4} fill="var(--over)" />}
      <path d={`${line} L${width - 8} ${base} L${left} ${base} Z`} fill="var(--p95)" opacity="0.13" />
      <path d={line} fill="none" stroke="var(--p95)" strokeWidth="1.5" />
      {beyond[0] === undefined ? null : (
        <path d={`M${beyond.map(corner).join(' L')} L${width - 8} ${base} L${x(beyond[0].ms)} ${base} Z`} fill="var(--bad)" opacity="0.5" />
      )}
      <line className="gl" x1={left} x2={width - 8} y1={base} y2={base} />
      {(['p50', 'p95', 'p99'] as const).map((name) => {
        const value = chosen[`${name}_ms`];
        const isObjective = `p${parsed?.percentile}` === name;
        return value > toMs ? null : (
          <line
            key={name}
            x1={x(value)}
            x2={x(value)}
            y1={base}
            y2={y(heightAt(points, value)) - 4}
            stroke={`var(--${name})`}
            strokeWidth={isObjective ? 2.25 : 1.5}
          />
        );
      })}
      {limit === null ? null : (
        <>
          <line x1={limit} x2={limit} y1="4" y2={base} stroke="var(--bad)" strokeWidth="1.25" strokeDasharray="5 4" />
          {isShort ? null : (
            <text className="limit" x={limit + (isNarrow ? -7 : 7)} y="16" textAnchor={isNarrow ? 'end' : 'start'}>
              {isNarrow ? '' : 'objective '}
              {objectiveText(objective)}
            </text>
          )}
        </>
      )}
      {axisSteps(toMs).map((value, index) => (
        <text key={value} x={x(value)} y={height - 6} textAnchor={index === 0 ? 'start' : 'middle'}>
          {value}
          {index === 0 ? ' ms' : ''}
        </text>
      ))}
    </svg>
  );
}

function describeLatency({ p50_ms: p50, p95_ms: p95, p99_ms: p99, in_time: inTime }: Chosen, objective: string): string {
  return `Predicted latency: p50 ${ms(p50)} ms, p95 ${ms(p95)} ms, p99 ${ms(p99)} ms; ${percent(inTime)} % within ${objectiveText(objective)}.`;
}
