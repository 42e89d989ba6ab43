/** The report of a simulation as one self-contained page: a table, and SVG charts. */
import { type Chart, chartSvg, escapeHtml } from './chart.ts';
import type { SimulatedMinute } from './measures.ts';
import type { SimulationResult } from './result.ts';

/** What the head of the page says. */
export interface ReportFacts {
  /** Display name of the load, such as `nasa.csv x 40`. */
  readonly load: string;
  readonly profile: string;
  /** Display form of the objective, such as `p99.8<=500ms`. */
  readonly objective: string;
  readonly latencyMs: number;
  /** Duration of the load; its last minute can be incomplete. */
  readonly durationMs: number;
}

const colours = ['#2563eb', '#dc2626', '#059669', '#d97706', '#7c3aed', '#0891b2', '#be185d', '#4d7c0f'];

const style = `:root{color-scheme:light dark;--line:#8884;--faint:#888}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
h1{font-size:1.4rem;margin:0}p{color:var(--faint);margin:.2rem 0 1.5rem}table{border-collapse:collapse;width:100%;margin-bottom:1.5rem}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}th:first-child,td:first-child{text-align:left}
figure{margin:0 0 1.5rem}figcaption{font-weight:600}svg{width:100%;height:auto;display:block}svg text{fill:currentColor;font-size:11px}.mark{display:inline-block;width:.7em;height:.7em;border-radius:2px;margin-right:.5em}`;

/** Renders the page. Equal input gives equal bytes. */
export function reportHtml(facts: ReportFacts, results: readonly SimulationResult[]): string {
  const title = `${facts.load}, ${facts.objective}`;
  const charts = chartsOf(facts, results).map(
    (chart) => `<figure><figcaption>${escapeHtml(chart.title)}</figcaption>${chartSvg(chart)}</figure>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${style}</style></head>
<body><h1>${escapeHtml(title)}</h1><p>Simulated request by request: profile ${escapeHtml(facts.profile)}, ${results[0]?.requests ?? 0} requests.</p>
${tableOf(results)}
${charts.join('\n')}
</body></html>
`;
}

function chartsOf({ latencyMs, durationMs }: ReportFacts, results: readonly SimulationResult[]): Chart[] {
  const each = (value: (minute: SimulatedMinute) => number | null): Chart['series'] =>
    results.map(({ policy, timeline }, i) => ({ name: policy, colour: colourOf(i), values: timeline.map(value) }));
  const secondsOf = ({ minute }: SimulatedMinute): number => Math.min(60, Math.max(1, durationMs / 1000 - minute * 60));
  const arrivals = results[0]?.timeline.map((minute) => minute.arrivals / secondsOf(minute)) ?? [];
  const foreseen = each(({ forecastMean }) => (forecastMean === null ? null : forecastMean / 60)).filter(({ values }) =>
    values.some((value) => value !== null),
  );
  return [
    {
      title: 'Requests per second, and the forecasts a minute ahead',
      series: [{ name: 'requests', colour: '#888888', values: arrivals }, ...foreseen],
    },
    { title: 'Serving instances', series: each(({ active }) => active), isStepped: true },
    { title: 'Requests per second served by functions', series: each((minute) => minute.overflow / secondsOf(minute)) },
    { title: 'p95 of each minute against the objective, ms', series: each(({ p95Ms }) => p95Ms), limit: latencyMs, most: 3 * latencyMs },
    { title: 'US dollars so far', series: each(() => 0).map((series, i) => ({ ...series, values: sumsOf(results[i]?.timeline ?? []) })) },
  ];
}

function tableOf(results: readonly SimulationResult[]): string {
  const heads = ['policy', '$ per million', '$', 'within', 'overflow', 'p50', 'p95', 'p99', 'cold starts', 'dropped'];
  const ms = (value: number | null): string => (value === null ? '' : `${Math.round(value)} ms`);
  const rows = results.map((result, i) => {
    const cells = [
      `<span class="mark" style="background:${colourOf(i)}"></span>${escapeHtml(result.policy)}`,
      usd(result.costUsdPerMillion),
      usd(result.costUsd),
      `${(result.attainment * 100).toFixed(3)} %`,
      `${(result.overflowShare * 100).toFixed(1)} %`,
      ms(result.p50Ms),
      ms(result.p95Ms),
      ms(result.p99Ms),
      String(result.coldStarts),
      String(result.dropped),
    ];
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  return `<table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

/** Formats dollars with cents, or with significant digits below a cent. */
function usd(value: number | null): string {
  if (value === null) return '';
  return value >= 1 || value === 0 ? value.toFixed(2) : String(Number(value.toPrecision(3)));
}

function sumsOf(timeline: readonly SimulatedMinute[]): number[] {
  let sum = 0;
  return timeline.map(({ costUsd }) => (sum += costUsd));
}

function colourOf(i: number): string {
  return colours[i % colours.length] as string;
}
