/** How long batches take by their size, on two logarithmic axes: where a line stays flat, company is free. */
import type { ReactElement } from 'react';
import { Card } from '../kit/card.tsx';
import { fixed } from '../kit/format.ts';
import { useWidth } from '../kit/use-width.ts';
import { type Compared, largestPoint, pointAt, serviceTime } from './compare-versions.ts';
import { logAxis } from './log-scale.ts';

interface Line {
  readonly name: string;
  readonly color: 'rate' | 'accent';
  readonly points: readonly { readonly b: number; readonly ms: number }[];
}

const height = 186;

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
        {lines.length === 0 ? <p className="mut">Not measured yet: that takes a few seconds after a version is registered.</p> : null}
      </div>
      <p className="sm dim gain">{compared.map(gainSentence).join(' ')}</p>
    </Card>
  );
}

/** `digits/3 gains from company: 64 rows cost 1.9 × one.` */
export function gainSentence({ version, profile }: Compared): string {
  const [one, most] = [pointAt(profile, 1), largestPoint(profile)];
  if (one === undefined || most === undefined) return '';
  if (most.b === 1) return `${version.name} runs every request alone.`;
  const times = most.p50_ms / one.p50_ms;
  const perRow = (most.p50_ms - one.p50_ms) / (most.b - 1);
  if (times < most.b * 0.4) return `${version.name} gains from company: ${most.b} rows cost ${fixed(times, 1)} × one.`;
  return `${version.name} hardly gains: each row adds ${serviceTime(perRow)}.`;
}

function Drawing({ lines, width }: { readonly lines: readonly Line[]; readonly width: number }): ReactElement {
  const left = 48;
  const right = 64;
  const base = height - 22;
  const sizes = [...new Set(lines.flatMap(({ points }) => points.map(({ b }) => b)))].toSorted((a, b) => a - b);
  const most = Math.max(2, ...sizes);
  const x = (b: number): number => left + (Math.log2(b) / Math.log2(most)) * (width - left - right);
  const y = logAxis(
    lines.flatMap(({ points }) => points.map(({ ms }) => ms)),
    base,
    10,
  );
  const ends = lines.map(({ points }) => y.at(points.at(-1)?.ms ?? 1));
  // Two names at one height would cover each other.
  const isClose = ends.length === 2 && Math.abs((ends[0] as number) - (ends[1] as number)) < 14;
  return (
    <svg width={width} height={height} role="img" aria-label={spoken(lines)}>
      {y.ticks.map((ms) => (
        <g key={ms}>
          <line className="gl" x1={left} x2={width - right + 8} y1={y.at(ms)} y2={y.at(ms)} />
          <text x={left - 8} y={y.at(ms) + 4} textAnchor="end">
            {tickText(ms)}
          </text>
        </g>
      ))}
      {sizes.map((b) => (
        <text key={b} x={x(b)} y={height - 5} textAnchor="middle">
          {b}
        </text>
      ))}
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

/** Long groups are cut: the number is what tells them apart. */
function shortName(name: string): string {
  return name.length <= 9 ? name : `…/${name.split('/')[1] ?? ''}`;
}

function tickText(ms: number): string {
  return ms >= 1 ? `${ms} ms` : `${Number((ms * 1000).toPrecision(2))} µs`;
}

function spoken(lines: readonly Line[]): string {
  const each = lines.map(({ name, points }) => {
    const [first, last] = [points[0], points.at(-1)];
    return first === undefined || last === undefined
      ? name
      : `${name}: ${serviceTime(first.ms)} for one row, ${serviceTime(last.ms)} for ${last.b}`;
  });
  return `Service time by batch size. ${each.join('; ')}.`;
}
