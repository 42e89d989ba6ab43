/** The objective metric by trial: a dot per trial, and the best one so far as a line. */
import type { ReactElement } from 'react';
import type { TuningJobBody, TuningTrialBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { useWidth } from '../../kit/charts/use-width.ts';
import { plural } from '../../kit/format/format.ts';
import { shownMetric } from '../training-text.ts';
import { type TrialPoint, trialPoints } from './tuning-text.ts';

const height = 200;
const margin = { left: 72, right: 12, top: 12, bottom: 26 };

export function TrialChart({ job, trials }: { readonly job: TuningJobBody; readonly trials: readonly TuningTrialBody[] }): ReactElement {
  const points = trialPoints(trials, job.goal);
  return (
    <Card
      title={`${job.metric} by trial`}
      className="section"
      padded
      footer="The line is the best value so far. A ring marks a new best one."
    >
      {points.length === 0 ? <p className="mut">No trial has reported {job.metric} yet.</p> : <Plot job={job} points={points} />}
    </Card>
  );
}

function Plot({ job, points }: { readonly job: TuningJobBody; readonly points: readonly TrialPoint[] }): ReactElement {
  const [box, measured] = useWidth<HTMLDivElement>();
  const width = Math.max(240, measured);
  const values = points.map(({ value }) => value);
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const last = Math.max(job.jobs, ...points.map(({ number }) => number));
  const x = (number: number): number => margin.left + ((number - 1) * (width - margin.left - margin.right)) / Math.max(1, last - 1);
  const y = (value: number): number =>
    most === least ? height / 2 : height - margin.bottom - ((value - least) / (most - least)) * (height - margin.top - margin.bottom);
  const best = points.findLast(({ isBest }) => isBest) as TrialPoint;
  const label = `${job.metric} of ${plural(points.length, 'trial')}: best ${shownMetric(best.value)} in trial ${best.number}, from ${shownMetric(least)} to ${shownMetric(most)}`;
  return (
    <div ref={box}>
      <svg className="trial-chart" width={width} height={height} role="img" aria-label={label}>
        {[...new Set([most, least])].map((value) => (
          <g key={value}>
            <line x1={margin.left} x2={width - margin.right} y1={y(value)} y2={y(value)} stroke="var(--line)" />
            <text x={margin.left - 8} y={y(value) + 4} textAnchor="end">
              {shownMetric(value)}
            </text>
          </g>
        ))}
        <path d={bestPath(points, x, y)} fill="none" stroke="var(--accent)" strokeWidth="1.5" />
        {points.map(({ number, value, isBest }) => (
          <circle
            key={number}
            cx={x(number)}
            cy={y(value)}
            r={isBest ? 4.5 : 3}
            fill={isBest ? 'var(--surface)' : 'var(--ink-3)'}
            stroke={isBest ? 'var(--accent)' : 'none'}
            strokeWidth="2"
          >
            <title>{`trial ${number}: ${shownMetric(value)}`}</title>
          </circle>
        ))}
        <text x={margin.left} y={height - 6}>
          1
        </text>
        <text x={width - margin.right} y={height - 6} textAnchor="end">
          {last}
        </text>
      </svg>
    </div>
  );
}

/** Horizontal until a better trial. */
function bestPath(points: readonly TrialPoint[], x: (number: number) => number, y: (value: number) => number): string {
  let path = '';
  for (const { number, value, isBest } of points) {
    if (path === '') path = `M${x(number).toFixed(1)} ${y(value).toFixed(1)}`;
    else path += `H${x(number).toFixed(1)}${isBest ? `V${y(value).toFixed(1)}` : ''}`;
  }
  return path;
}
