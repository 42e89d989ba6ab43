/** Configures uPlot: grid lines, the objective, decision marks on the axis, and a shaded forecast. Colours come from the design tokens. */
import type uPlot from 'uplot';
import type { TokenName } from '../../theme/tokens.ts';
import { clockTime, dayOf, exactTime } from '../format/time.ts';
import { dots } from './chart-data.ts';

export interface PlotLine {
  readonly label: string;
  readonly color: TokenName;
  readonly width?: number;
  readonly isDashed?: boolean;
}

export interface PlotMark {
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly kind: 'decision' | 'person';
  readonly title: string;
  readonly id: string;
}

/** State that changes without creating a new plot. The hooks read it on each draw. */
export interface PlotState {
  top: number;
  /** Minutes shown. If it changes, the top of the axis is computed from scratch. */
  span: number;
  objective: number | null;
  marks: readonly PlotMark[];
  /** Epoch seconds. Everything to the right of it is a forecast. */
  now: number | null;
}

export interface PlotSpec {
  readonly lines: readonly PlotLine[];
  readonly isStacked: boolean;
  /** Adds two invisible series at the end, the upper and lower edge of the forecast. */
  readonly hasBand: boolean;
  readonly isWhole: boolean;
  readonly height: number;
  readonly width: number;
  /** Charts with the same key share their cursor. */
  readonly syncKey: string;
  readonly state: PlotState;
  /** `isAxis`: use a short form, since labels of the axis have little room. */
  readonly format: (value: number, isAxis: boolean) => string;
  /** `index` is null if the cursor leaves the chart; `left` is in pixels. */
  readonly onCursor: (index: number | null, left: number) => void;
  readonly onZoom: (fromMs: number, toMs: number) => void;
  readonly onDraw: (plot: uPlot) => void;
}

const axisWidth = 44;
const fontOf = (weight: number, pixels: number): string => `${weight} ${11 * pixels}px Inter, sans-serif`;

/** The current value of a token. A canvas cannot use CSS variables. */
export function colorOf(name: TokenName): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Series 0 is the column of times, so a stack starts at series 1. */
function dotsOf({ data }: uPlot, series: number, isStacked: boolean): number[] | null {
  const below = series > 1 ? (data[series - 1] ?? []) : [];
  const found = dots(data[series] ?? [], isStacked ? below : null);
  return found.length === 0 ? null : found;
}

export function plotOptions(spec: PlotSpec): uPlot.Options {
  const { height, width, syncKey, state, format, isWhole } = spec;
  const { series, bands } = seriesOf(spec);
  return {
    width,
    height,
    // 20 px on the right fit half a label, which is centred on its tick.
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      points: { size: 7, width: 1.5, fill: () => colorOf('surface') },
      // All charts share the cursor. Only the chart that is dragged requests a zoom.
      sync: { key: syncKey, setSeries: false, filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } },
    },
    scales: { x: { time: false }, y: { range: () => [0, state.top] } },
    series,
    bands,
    axes: [
      { ...axis(), size: 26, grid: { show: false }, space: 64, incrs: timeSteps, values: (_, ticks) => ticks.map(timeLabel(ticks)) },
      {
        ...axis(),
        size: axisWidth,
        grid: { stroke: colorOf('line'), width: 1 },
        space: 34,
        incrs: isWhole ? valueSteps.filter(Number.isInteger) : valueSteps,
        values: (_, ticks) => ticks.map((tick) => (isNear(tick, state) ? '' : format(tick, true))),
      },
    ],
    plugins: [{ hooks: hooksOf(spec) }],
  };
}

/** Hides ticks that the label of the objective would overlap. */
function isNear(tick: number, { objective, top }: PlotState): boolean {
  return objective !== null && Math.abs(tick - objective) < top * 0.07;
}

/** Steps of the value axis. uPlot's 2.5 is left out: after rounding, its ticks would read 3, 5, 8. */
const valueSteps = Array.from({ length: 19 }, (_, power) => [1, 2, 5].map((step) => Number(`${step}e${power - 6}`))).flat();

const minute = 60;
const hour = 3600;
const timeSteps = [
  minute,
  2 * minute,
  5 * minute,
  10 * minute,
  15 * minute,
  30 * minute,
  hour,
  2 * hour,
  4 * hour,
  6 * hour,
  12 * hour,
  24 * hour,
  48 * hour,
];

function axis(): Pick<uPlot.Axis, 'stroke' | 'font' | 'gap' | 'ticks'> {
  return { stroke: colorOf('ink-3'), font: fontOf(400, 1), gap: 6, ticks: { show: false } };
}

/** Formats ticks as hours and minutes, or as days if they are at least 12 hours apart. */
function timeLabel(ticks: readonly number[]): (tick: number) => string {
  const [first = 0, second = 0] = ticks;
  return second - first >= 12 * hour ? (tick) => dayOf(tick * 1000) : (tick) => clockTime(tick * 1000);
}

function seriesOf({ lines, isStacked, hasBand }: PlotSpec): { series: uPlot.Series[]; bands: uPlot.Band[] } {
  const bands: uPlot.Band[] = [];
  const series: uPlot.Series[] = lines.map(({ label, color, width = 1.75, isDashed = false }, index) => ({
    label,
    stroke: colorOf(color),
    width: isStacked ? 0 : width,
    // A value between two gaps would be invisible without a dot.
    points: { show: false, size: 4, filter: (plot, at) => dotsOf(plot, at, isStacked) },
    spanGaps: false,
    ...(isDashed ? { dash: [5, 4] } : {}),
    ...(isStacked && index === 0 ? { fill: `${colorOf(color)}d0` } : {}),
  }));
  if (isStacked)
    for (const [index, { color }] of lines.entries())
      if (index > 0) bands.push({ series: [index + 1, index], fill: `${colorOf(color)}d0` });
  if (hasBand) {
    const edge: uPlot.Series = { stroke: 'transparent', width: 0, points: { show: false } };
    series.push(edge, { ...edge });
    bands.push({ series: [series.length - 1, series.length], fill: colorOf('fore-soft') });
  }
  return { series: [{}, ...series], bands };
}

function hooksOf({ state, format, onCursor, onZoom, onDraw }: PlotSpec): uPlot.Hooks.Arrays {
  return {
    drawClear: [(plot) => drawGround(plot, state)],
    draw: [
      (plot) => {
        drawObjective(plot, state, format);
        drawMarks(plot, state);
        drawNow(plot, state);
        onDraw(plot);
      },
    ],
    setCursor: [
      (plot) => {
        const index = plot.cursor.idx ?? null;
        if (index === null || (plot.cursor.left ?? -1) < 0) onCursor(null, 0);
        else onCursor(index, plot.valToPos(plot.data[0][index] ?? 0, 'x') + plot.over.offsetLeft);
      },
    ],
    setSelect: [
      (plot) => {
        const { left, width } = plot.select;
        if (width > 4) onZoom(plot.posToVal(left, 'x') * 1000, plot.posToVal(left + width, 'x') * 1000);
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      },
    ],
  };
}

/** Tints the area above the objective and shades the forecast. */
function drawGround(plot: uPlot, { objective, now }: PlotState): void {
  const { ctx, bbox } = plot;
  ctx.save();
  if (objective !== null) {
    const y = plot.valToPos(objective, 'y', true);
    ctx.fillStyle = colorOf('over');
    if (y > bbox.top) ctx.fillRect(bbox.left, bbox.top, bbox.width, Math.min(y - bbox.top, bbox.height));
  }
  if (now !== null) {
    const x = Math.max(bbox.left, plot.valToPos(now, 'x', true));
    ctx.fillStyle = colorOf('sunken');
    ctx.fillRect(x, bbox.top, bbox.left + bbox.width - x, bbox.height);
  }
  ctx.restore();
}

function drawObjective(plot: uPlot, { objective }: PlotState, format: PlotSpec['format']): void {
  const { ctx, bbox } = plot;
  if (objective === null) return;
  const pixels = devicePixelRatio;
  const y = plot.valToPos(objective, 'y', true);
  ctx.save();
  ctx.strokeStyle = colorOf('bad');
  ctx.lineWidth = 1.25 * pixels;
  ctx.setLineDash([5 * pixels, 4 * pixels]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.fillStyle = colorOf('surface');
  ctx.fillRect(bbox.left - (axisWidth - 4) * pixels, y - 9 * pixels, (axisWidth - 5) * pixels, 18 * pixels);
  ctx.fillStyle = colorOf('bad');
  ctx.font = fontOf(600, pixels);
  ctx.textAlign = 'right';
  ctx.textBaseline = 'middle';
  ctx.fillText(format(objective, true), bbox.left - 6 * pixels, y + 0.5 * pixels);
  ctx.restore();
}

function drawMarks(plot: uPlot, { marks }: PlotState): void {
  const { ctx, bbox, scales } = plot;
  const pixels = devicePixelRatio;
  const y = bbox.top + bbox.height;
  ctx.save();
  for (const { atMs, kind } of marks) {
    const at = atMs / 1000;
    if (at < (scales['x']?.min ?? 0) || at > (scales['x']?.max ?? 0)) continue;
    const x = plot.valToPos(at, 'x', true);
    ctx.strokeStyle = colorOf('line-2');
    ctx.lineWidth = pixels;
    ctx.setLineDash([2 * pixels, 3 * pixels]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, y);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.fillStyle = colorOf(kind === 'person' ? 'ink-2' : 'accent');
    ctx.strokeStyle = colorOf('surface');
    ctx.lineWidth = 1.5 * pixels;
    ctx.beginPath();
    if (kind === 'person') ctx.arc(x, y, 4 * pixels, 0, 7);
    else
      for (const [dx, dy] of [
        [0, -5],
        [5, 0],
        [0, 5],
        [-5, 0],
      ] as const)
        ctx.lineTo(x + dx * pixels, y + dy * pixels);
    ctx.closePath();
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}

function drawNow(plot: uPlot, { now }: PlotState): void {
  const { ctx, bbox } = plot;
  if (now === null) return;
  const pixels = devicePixelRatio;
  const x = plot.valToPos(now, 'x', true);
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = colorOf('line-2');
  ctx.lineWidth = pixels;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  // If the word does not fit, the dashed line and the legend still show the forecast.
  if (bbox.left + bbox.width - x > 56 * pixels) {
    ctx.fillStyle = colorOf('ink-3');
    ctx.font = fontOf(500, pixels);
    ctx.textAlign = 'left';
    ctx.fillText('forecast', x + 6 * pixels, bbox.top + 12 * pixels);
  }
  ctx.restore();
}

/** Text of the flag under the cursor. */
export function flagText(at: readonly number[], index: number): string {
  const step = (at[1] ?? 0) - (at[0] ?? 0);
  const atMs = (at[index] ?? 0) * 1000;
  if (step >= 900) return `${dayOf(atMs)} ${clockTime(atMs)}`;
  return step >= 60 ? clockTime(atMs) : exactTime(atMs);
}
