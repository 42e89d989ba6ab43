/** What came to an endpoint, as its server counted it slot by slot, as a load. Time in which nobody counted is left out. */
import type { Load } from './load.ts';

/** Counts of slots, the first beginning at `fromMs` (epoch milliseconds); null where nobody counted. */
export interface RecordedCounts {
  readonly fromMs: number;
  readonly slotMs: number;
  readonly requests: readonly (number | null)[];
  readonly rows: readonly (number | null)[];
}

/** Epoch milliseconds. */
export interface RecordedSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Recording {
  readonly load: Load;
  /** From the first slot that was counted to the last. */
  readonly span: RecordedSpan;
  /** Within it: what is left out. */
  readonly gaps: readonly RecordedSpan[];
  readonly requests: number;
  readonly rows: number;
}

/**
 * `history` is what was counted before. `scale` as of a trace: with 1 the requests of each slot are as many as were counted, at random
 * times within it. null where nothing was counted.
 */
export function loadOfRecording(name: string, counted: RecordedCounts, history: RecordedCounts | null, scale = 1): Recording | null {
  const { fromMs, slotMs } = counted;
  const first = counted.requests.findIndex((count) => count !== null);
  if (first < 0) return null;
  const end = counted.requests.findLastIndex((count) => count !== null) + 1;
  const [requests, rows, gaps]: [number[], number[], RecordedSpan[]] = [[], [], []];
  for (let slot = first; slot < end; slot++) {
    const count = counted.requests[slot] ?? null;
    const atMs = fromMs + slot * slotMs;
    if (count !== null) {
      requests.push(count);
      rows.push(counted.rows[slot] ?? count);
    } else if (gaps.at(-1)?.toMs === atMs) gaps[gaps.length - 1] = { fromMs: (gaps.at(-1) as RecordedSpan).fromMs, toMs: atMs + slotMs };
    else gaps.push({ fromMs: atMs, toMs: atMs + slotMs });
  }
  const load: Load = {
    name: scale === 1 ? name : `${name} x ${scale}`,
    source: { kind: 'counts', counts: requests, rows, slotMs, scale },
    durationMs: requests.length * slotMs,
    history: historyBefore(history, scale),
    historySlotMs: history?.slotMs ?? slotMs,
    isSeasonal: true,
  };
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return { load, span: { fromMs: fromMs + first * slotMs, toMs: fromMs + end * slotMs }, gaps, requests: sum(requests), rows: sum(rows) };
}

const minuteMs = 60_000;

/** Minutes spread evenly over shorter slots. */
export function inSlots({ fromMs, requests, rows }: RecordedCounts, slotMs: number): RecordedCounts {
  const pieces = Math.max(1, Math.round(minuteMs / slotMs));
  const spread = (counts: readonly (number | null)[]): (number | null)[] =>
    counts.flatMap((count) =>
      Array.from({ length: pieces }, (_, i) =>
        count === null ? null : Math.floor(((i + 1) * count) / pieces) - Math.floor((i * count) / pieces),
      ),
    );
  return { fromMs, slotMs: minuteMs / pieces, requests: spread(requests), rows: spread(rows) };
}

/** In rows, as a server counts them for its forecasts; from the first slot that was counted on. */
function historyBefore(history: RecordedCounts | null, scale: number): (number | null)[] {
  if (history === null) return [];
  const first = history.rows.findIndex((count) => count !== null);
  return first < 0 ? [] : history.rows.slice(first).map((count) => (count === null ? null : Math.round(count * scale)));
}
