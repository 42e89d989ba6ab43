/** Service time by batch size on two logarithmic axes. Where a line is flat, larger batches are free. */
import type { ReactElement } from 'react';
import { Card } from '../../kit/card.tsx';
import { logAxis } from '../../kit/charts/log-scale.ts';
import { useWidth } from '../../kit/charts/use-width.ts';
import { fixed } from '../../kit/format/format.ts';
import { isPlannable, isUnopened } from '../upload/python-checks.tsx';
import { type Compared, largestPoint, pointAt, serviceTime } from './compare-versions.ts';

interface Line {
  readonly name: string;
  readonly color: 'rate' | 'accent';
  readonly points: readonly { readonly b: number; readonly ms: number }[];
}

const height = 220;

export function ProfileChart({ compared }: { readonly compared: readonly Compared[] }): ReactElement {
  const [box, width] = useWidth<HTMLDivElement>();
  const lines = compared.flatMap(({ version, profile }, index): Line[] =>
    profile === undefined
      ? []
      : [
          {
            name: version.name,
            color: compared.length === 1 || index > 0 ? 'accent' : 'rate',
            points: profile.service.map(({ b, p50_ms: ms }) => ({ b, ms })),
          },
        ],
  );
  return (
    <Card title="Service time by batch size" padded end="median, local.1">
      <div ref={box} className="small-chart">
        {width > 0 && lines.length > 0 ? <Drawing lines={lines} width={width} /> : null}
        {lines.length === 0 ? <p className="mut">{unmeasuredText(compared)}</p> : null}
      </div>
      <p className="sm dim gain">{compared.map(gainSentence).join(' ')}</p>
    </Card>
  );
}

/** Why there is no profile. */
function unmeasuredText(compared: readonly Compared[]): string {
  const versions = compared.map(({ version }) => version);
  if (versions.some(isUnopened)) return 'Not profiled yet. A Python model is opened at its approval, and profiled after that.';
  if (!versions.every(isPlannable))
    return 'Not profiled: Penstock cannot generate inputs for this model. Register it with sample rows to profile it with them.';
  return 'Not profiled yet. Profiling takes a few seconds after registration.';
}

/** `digits/3 benefits from batching: 64 rows take 1.9 × one row.` */
export function gainSentence({ version, profile }: Compared): string {
  const [one, most] = [pointAt(profile, 1), largestPoint(profile)];
  if (one === undefined || most === undefined) return '';
  if (most.b === 1) return `${version.name} does not support batching.`;
  const times = most.p50_ms / one.p50_ms;
  const perRow = (most.p50_ms - one.p50_ms) / (most.b - 1);
  if (times < most.b * 0.4) return `${version.name} benefits from batching: ${most.b} rows take ${fixed(times, 1)} × one row.`;
  return `${version.name} hardly benefits from batching: each row adds ${serviceTime(perRow)}.`;
}

function Drawing({ lines, width }: { readonly lines: readonly Line[]; readonly width: number }): ReactElement {
  const left = 48;
  const right = 64;
  const base = height - 40;
  const sizes = [...new Set(lines.flatMap(({ points }) => points.map(({ b }) => b)))].toSorted((a, b) => a - b);
  const most = Math.max(2, ...sizes);
  const x = (b: number): number => left + (Math.log2(b) / Math.log2(most)) * (width - left - right);
  const y = logAxis(
    lines.flatMap(({ points }) => points.map(({ ms }) => ms)),
    base,
    28,
  );
  const ends = lines.map(({ points }) => y.at(points.at(-1)?.ms ?? 1));
  // Names at the same height would overlap, so they are moved apart.
  const isClose = ends.length === 2 && Math.abs((ends[0] as number) - (ends[1] as number)) < 14;
  return (
    <svg width={width} height={height} role="img" aria-label={describeProfiles(lines)}>
      {y.ticks.map((ms) => (
        <g key={ms}>
          <line className="gl" x1={left} x2={width - right + 8} y1={y.at(ms)} y2={y.at(ms)} />
          <text x={left - 8} y={y.at(ms) + 4} textAnchor="end">
            {tickText(ms)}
          </text>
        </g>
      ))}
      {sizes.map((b) => (
        <text key={b} x={x(b)} y={height - 22} textAnchor="middle">
          {b}
        </text>
      ))}
      <AxisTitles end={width - right + 8} />
      {lines.map(({ name, color, points }, index) => (
        <g key={name}>
          <path
            d={`M${points.map(({ b, ms }) => `${x(b).toFixed(1)} ${y.at(ms).toFixed(1)}`).join(' L')}`}
            fill="none"
            stroke={`var(--${color})`}
            strokeWidth="2"
          />
          {points.map(({ b, ms }) =>
            color === 'rate' ? (
              <circle key={b} cx={x(b)} cy={y.at(ms)} r="3.2" fill={`var(--${color})`}>
                <title>{`${name}, ${b} rows: ${serviceTime(ms)}`}</title>
              </circle>
            ) : (
              <rect key={b} x={x(b) - 3} y={y.at(ms) - 3} width="6" height="6" fill={`var(--${color})`}>
                <title>{`${name}, ${b} rows: ${serviceTime(ms)}`}</title>
              </rect>
            ),
          )}
          <text
            className="line-name"
            x={x(points.at(-1)?.b ?? 1) + 9}
            y={
              (ends[index] as number) +
              4 +
              (isClose ? ((ends[index] as number) > (ends[1 - index] as number) || (index === 1 && ends[0] === ends[1]) ? 7 : -7) : 0)
            }
            fill={`var(--${color})`}
          >
            {shortName(name)}
          </text>
        </g>
      ))}
    </svg>
  );
}

function AxisTitles({ end }: { readonly end: number }): ReactElement {
  return (
    <>
      <text x={0} y={11}>
        time of a batch
      </text>
      <text x={end} y={height - 4} textAnchor="end">
        rows in the batch
      </text>
    </>
  );
}

/** Shortens long names to the version number, which distinguishes them. */
function shortName(name: string): string {
  return name.length <= 9 ? name : `…/${name.split('/')[1] ?? ''}`;
}

function tickText(ms: number): string {
  return ms >= 1 ? `${ms} ms` : `${Number((ms * 1000).toPrecision(2))} µs`;
}

function describeProfiles(lines: readonly Line[]): string {
  const each = lines.map(({ name, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    return first === undefined || last === undefined
      ? name
      : `${name}: ${serviceTime(first.ms)} for one row, ${serviceTime(last.ms)} for ${last.b}`;
  });
  return `Service time by batch size. ${each.join('; ')}.`;
}
