/** A line chart over minutes, as SVG. */

/** One line of a chart. A null interrupts it. */
export interface ChartSeries {
  readonly name: string;
  readonly colour: string;
  /** One value per minute; null if unknown. */
  readonly values: readonly (number | null)[];
}

/** A chart with its lines. */
export interface Chart {
  readonly title: string;
  readonly series: readonly ChartSeries[];
  /** Draws a horizontal limit line at this value. */
  readonly limit?: number;
  /** Higher values are drawn at the top edge. */
  readonly most?: number;
  /** If true, each value holds until the next one. */
  readonly isStepped?: boolean;
}

const width = 1000;
const height = 180;
const left = 48;
const right = width - 16;
const bottom = 22;
const top = 6;
/** Maximum number of points in a chart; more would not be visible. */
const pointsMost = 900;

/** Text and numbers only: the page needs no script. */
export function chartSvg({ title, series, limit, most = Number.POSITIVE_INFINITY, isStepped = false }: Chart): string {
  const minutes = Math.max(1, ...series.map(({ values }) => values.length));
  const highest = series.reduce((max, { values }) => values.reduce<number>((other, value) => Math.max(other, value ?? 0), max), limit ?? 0);
  const ceiling = niceAbove(Math.min(highest, most));
  const x = (minute: number): string => (left + (minute / minutes) * (right - left)).toFixed(1);
  const y = (value: number): string => (top + (1 - Math.min(value, ceiling) / ceiling) * (height - top - bottom)).toFixed(1);
  const grid = [0, 0.5, 1].map((share) => {
    const at = y(share * ceiling);
    return `<line x1="${left}" x2="${right}" y1="${at}" y2="${at}" stroke="#8884"/><text x="${left - 6}" y="${Number(at) + 4}" text-anchor="end">${brief(share * ceiling)}</text>`;
  });
  const times = timesShown(minutes).map(
    ({ minute, text }) => `<text x="${x(minute)}" y="${height - 6}" text-anchor="middle">${text}</text>`,
  );
  const lines = series.map(({ name, colour, values }) => {
    const path = pathOf(values, x, y, isStepped);
    return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.3"><title>${escapeHtml(name)}</title></path>`;
  });
  const bound =
    limit === undefined
      ? ''
      : `<line x1="${left}" x2="${right}" y1="${y(limit)}" y2="${y(limit)}" stroke="currentColor" stroke-dasharray="5 4"/>`;
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">${grid.join('')}${times.join('')}${lines.join('')}${bound}</svg>`;
}

/** Escapes text for HTML content and attribute values. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Merges minutes if there are too many to draw. Each point is the maximum of its minutes, so no peak is lost. */
function pathOf(
  values: readonly (number | null)[],
  x: (minute: number) => string,
  y: (value: number) => string,
  isStepped: boolean,
): string {
  const stretch = Math.ceil(values.length / pointsMost);
  let path = '';
  let isOpen = false;
  let lastAt = '';
  for (let i = 0; i < values.length; i += stretch) {
    const known = values.slice(i, i + stretch).filter((value) => value !== null);
    if (known.length === 0) {
      isOpen = false;
      continue;
    }
    const at = y(Math.max(...known));
    if (!isOpen) path += `M${x(i)} ${at}`;
    else if (!isStepped) path += `L${x(i)} ${at}`;
    else if (at !== lastAt) path += `H${x(i)}V${at}`;
    lastAt = at;
    isOpen = true;
  }
  return isStepped && isOpen ? `${path}H${x(values.length)}` : path;
}

/** Axis labels, at most twelve: in minutes below two hours, else in whole hours. */
function timesShown(minutes: number): { readonly minute: number; readonly text: string }[] {
  const [unit, each] = minutes < 120 ? ['min', 1] : ['h', 60];
  const count = Math.floor(minutes / each);
  const step = [1, 2, 3, 5, 6, 10, 12, 24, 48, 168].find((size) => count / size <= 12) ?? 720;
  return Array.from({ length: Math.floor(count / step) + 1 }, (_, i) => ({ minute: i * step * each, text: `${i * step} ${unit}` }));
}

function niceAbove(value: number): number {
  if (value <= 0) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return magnitude * ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((factor) => factor * magnitude >= value) ?? 10);
}

function brief(value: number): string {
  return String(Number(value.toPrecision(3)));
}
