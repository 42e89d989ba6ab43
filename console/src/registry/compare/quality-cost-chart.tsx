/** Quality against cost of each version. Up and left is better. */
import type { ReactElement } from 'react';
import type { DeploymentPlanBody, VersionBody } from '../../../../src/api/index.ts';
import { Card } from '../../kit/card.tsx';
import { linearAxis } from '../../kit/charts/log-scale.ts';
import { useWidth } from '../../kit/charts/use-width.ts';
import { fixed, objective as objectiveText } from '../../kit/format/format.ts';
import { usdFine } from '../../kit/format/money.ts';
import { qualityName, qualityOf } from '../format-version.tsx';

interface Point {
  readonly version: VersionBody;
  readonly quality: number;
  readonly usdPerMillion: number;
  readonly color: 'rate' | 'accent' | 'flush';
}

interface QualityCostProps {
  readonly versions: readonly VersionBody[];
  readonly plans: ReadonlyMap<string, DeploymentPlanBody>;
  readonly objective: string;
  /** Names of the compared versions, older first. */
  readonly compared: readonly string[];
}

const height = 184;

export function QualityCostChart({ versions, plans, objective, compared }: QualityCostProps): ReactElement | null {
  const [box, width] = useWidth<HTMLDivElement>();
  const points = versions.flatMap((version): Point[] => {
    const [quality, usdPerMillion] = [qualityOf(version), plans.get(version.name)?.chosen?.usd_per_million];
    if (quality === undefined || usdPerMillion === undefined) return [];
    const index = compared.indexOf(version.name);
    return [{ version, quality, usdPerMillion, color: index < 0 ? 'flush' : index === compared.length - 1 ? 'accent' : 'rate' }];
  });
  return (
    <Card title={`${qualityName(versions)} and cost`} padded end={`at ${objectiveText(objective)}`}>
      <div ref={box} className="small-chart">
        {points.length > 0 && width > 0 ? (
          <Drawing points={points} width={width} name={qualityName(versions)} />
        ) : (
          <p className="mut">Shows versions that were registered with a quality metric and have a plan that meets the objective.</p>
        )}
      </div>
    </Card>
  );
}

interface DrawingProps {
  readonly points: readonly Point[];
  readonly width: number;
  /** Of the vertical axis: the quality metric. */
  readonly name: string;
}

function Drawing({ points, width, name }: DrawingProps): ReactElement {
  const left = 44;
  const base = height - 40;
  const x = linearAxis(
    points.map(({ usdPerMillion }) => usdPerMillion),
    left + 12,
    width - 96,
  );
  const y = linearAxis(
    points.map(({ quality }) => quality),
    base - 4,
    28,
  );
  const sorted = points.toSorted((a, b) => Number(a.color !== 'flush') - Number(b.color !== 'flush'));
  return (
    <svg width={width} height={height} role="img" aria-label={describePoints(points)}>
      {y.ticks.map((tick) => (
        <g key={tick}>
          <line className="gl" x1={left} x2={width} y1={y.at(tick)} y2={y.at(tick)} />
          <text x={left - 8} y={y.at(tick) + 4} textAnchor="end">
            {fixed(tick, 3).replace(/0$/, '')}
          </text>
        </g>
      ))}
      {x.ticks.map((tick) => (
        <text key={tick} x={x.at(tick)} y={height - 22} textAnchor="middle">
          {usdFine(tick)}
        </text>
      ))}
      <text x={0} y={11}>
        {name}
      </text>
      <text x={width - 2} y={height - 4} textAnchor="end">
        cost per million requests
      </text>
      {sorted.map(({ version, quality, usdPerMillion, color }) => (
        <g key={version.name}>
          <circle cx={x.at(usdPerMillion)} cy={y.at(quality)} r="5" fill={`var(--${color})`}>
            <title>{`${version.name}: ${fixed(quality, 3)} at ${usdFine(usdPerMillion)} per million`}</title>
          </circle>
          <text className="point-name" x={x.at(usdPerMillion) + 10} y={y.at(quality) + 4}>
            {points.length > 6 && color === 'flush' ? `/${version.version}` : version.name}
            {version.approval === 'Rejected' ? ', rejected' : ''}
          </text>
        </g>
      ))}
    </svg>
  );
}

function describePoints(points: readonly Point[]): string {
  return `Quality against cost per million requests. ${points
    .map(({ version, quality, usdPerMillion }) => `${version.name}: ${fixed(quality, 3)}, ${usdFine(usdPerMillion)}`)
    .join('; ')}.`;
}
