/** Converts an endpoint's traffic, as its server counted it per slot, to a load. Leaves out time without counts. */
import type { Load } from './load.ts';

/** Counts per slot. The first slot begins at `fromMs` (epoch milliseconds); null for slots without a count. */
export interface RecordedCounts {
  readonly fromMs: number;
  readonly slotMs: number;
  readonly requests: readonly (number | null)[];
  readonly rows: readonly (number | null)[];
}

/** A period, in epoch milliseconds. */
export interface RecordedSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

/** A recorded load, and the time that it covers. */
export interface LoadRecording {
  readonly load: Load;
  /** From the first counted slot to the last one. */
  readonly span: RecordedSpan;
  /** Periods within `span` that have no counts and are left out. */
  readonly gaps: readonly RecordedSpan[];
  readonly requests: number;
  readonly rows: number;
}

/**
 * Converts counts to a load; `history` holds the earlier counts. With `scale` 1 each slot has the recorded number of requests, at
 * random times within it. Returns null if no slot has a count.
 */
export function loadOfRecording(name: string, counted: RecordedCounts, history: RecordedCounts | null, scale = 1): LoadRecording | null {
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

/** Converts counts to shorter slots by spreading each count evenly. */
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

/** Rows per slot from the first counted slot on: forecasts count rows, as on a server. */
function historyBefore(history: RecordedCounts | null, scale: number): (number | null)[] {
  if (history === null) return [];
  const first = history.rows.findIndex((count) => count !== null);
  return first < 0 ? [] : history.rows.slice(first).map((count) => (count === null ? null : Math.round(count * scale)));
}
