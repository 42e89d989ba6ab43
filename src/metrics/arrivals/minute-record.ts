/** Arrivals of one minute by variant and second, and which of its seconds were counted. */

import { nameKey } from '../../names.ts';
/** Seconds of a record; also its number of slots. */
export const secondsPerMinute = 60;

/** `[second, requests, rows]` of a second with arrivals. */
export type SecondCount = readonly [second: number, requests: number, rows: number];

/** State of this minute in the database before this process wrote to it. */
export interface MinuteBefore {
  /** 60 characters, `1` for each counted second. */
  readonly counted: string;
  readonly variants: ReadonlyMap<string, readonly SecondCount[]>;
}

/** The sums of a minute, and the seconds that had arrivals. */
export interface VariantMinute {
  readonly endpointKey: string;
  readonly variant: string;
  readonly requests: number;
  readonly rows: number;
  readonly seconds: readonly SecondCount[];
}

interface VariantCounts {
  readonly endpointKey: string;
  readonly variant: string;
  readonly requests: Float64Array;
  readonly rows: Float64Array;
  version: number;
}

/** One minute in memory. What an earlier server stored of the same minute is merged into it before it is written. */
export class MinuteRecord {
  readonly minuteMs: number;
  /** Null until read from the database. */
  before: MinuteBefore | null = null;
  /** Rises with each change. */
  version = 0;
  #writtenVersion = 0;
  readonly #counted = new Uint8Array(secondsPerMinute);
  readonly #variants = new Map<string, VariantCounts>();

  constructor(minuteMs: number) {
    this.minuteMs = minuteMs;
  }

  get isChanged(): boolean {
    return this.version !== this.#writtenVersion;
  }

  /** The state at `version` is in the database. */
  written(version: number): void {
    this.#writtenVersion = version;
  }

  /** Marks a second as completely counted. */
  count(second: number): void {
    const slot = second % secondsPerMinute;
    if (this.#counted[slot] === 1) return;
    this.#counted[slot] = 1;
    this.version++;
  }

  /** Adds to the counts of a second. The higher version marks the variant as not yet written. */
  add(
    second: number,
    { endpoint, variant }: { readonly endpoint: string; readonly variant: string },
    requests: number,
    rows: number,
  ): void {
    const endpointKey = nameKey(endpoint);
    const key = minuteKey(endpointKey, variant);
    let counts = this.#variants.get(key);
    if (counts === undefined) {
      const zeros = (): Float64Array => new Float64Array(secondsPerMinute);
      this.#variants.set(key, (counts = { endpointKey, variant, requests: zeros(), rows: zeros(), version: 0 }));
    }
    const slot = second % secondsPerMinute;
    counts.requests[slot] = (counts.requests[slot] as number) + requests;
    counts.rows[slot] = (counts.rows[slot] as number) + rows;
    counts.version = ++this.version;
  }

  /** Includes the previous state of the database. */
  counted(): string {
    return Array.from(this.#counted, (isCounted, i) => (isCounted === 1 || this.before?.counted[i] === '1' ? '1' : '0')).join('');
  }

  /** Variants changed since the last write, including the previous state of the database. */
  changed(): VariantMinute[] {
    return [...this.#variants].filter(([, { version }]) => version > this.#writtenVersion).map(([key, counts]) => this.#whole(key, counts));
  }

  #whole(key: string, { endpointKey, variant, requests, rows }: VariantCounts): VariantMinute {
    const [allRequests, allRows] = [requests.slice(), rows.slice()];
    for (const [second, requestsThen, rowsThen] of this.before?.variants.get(key) ?? []) {
      allRequests[second] = (allRequests[second] as number) + requestsThen;
      allRows[second] = (allRows[second] as number) + rowsThen;
    }
    const seconds = Array.from(allRequests, (count, second): SecondCount => [second, count, allRows[second] as number]);
    const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
    return {
      endpointKey,
      variant,
      requests: sum(allRequests),
      rows: sum(allRows),
      seconds: seconds.filter(([, count]) => count > 0),
    };
  }
}

/** Key of a variant within a minute. */
export function minuteKey(endpointKey: string, variant: string): string {
  return `${endpointKey}/${variant}`;
}
