/** Request outcomes of the last hour, by slot. */
import type { TrafficCounts } from '../../serving/index.ts';
import type { RequestCounts, SloWindows } from '../strategies/observation.ts';

const minuteMs = 60_000;
const fiveMinutesMs = 300_000;
const hourMs = 3_600_000;

/** End of the slot in epoch milliseconds, number of requests, number of violations. */
export type SloSlot = readonly [number, number, number];

/** Fed with counters that only increase; stores their differences. */
export class SloHistory {
  #slots: readonly SloSlot[];
  #observed: Pick<TrafficCounts, 'requests' | 'violations'> | null = null;

  constructor(retained: readonly SloSlot[]) {
    this.#slots = retained;
  }

  slotOver(traffic: TrafficCounts, wallMs: number): void {
    const before = this.#observed ?? traffic;
    this.#observed = traffic;
    const slot: SloSlot = [wallMs, rise(traffic.requests, before.requests), rise(traffic.violations, before.violations)];
    this.#slots = [...this.#slots.filter(([atMs]) => atMs <= wallMs && atMs > wallMs - hourMs), slot];
  }

  /** `watchedMs` says how much of the windows was observed. */
  windows(wallMs: number): SloWindows {
    const [beginsAtMs = wallMs] = this.#slots[0] ?? [];
    return {
      minute: this.#since(wallMs - minuteMs),
      fiveMinutes: this.#since(wallMs - fiveMinutesMs),
      hour: this.#since(wallMs - hourMs),
      watchedMs: Math.max(0, wallMs - beginsAtMs),
    };
  }

  snapshot(): readonly SloSlot[] {
    return this.#slots;
  }

  #since(fromMs: number): RequestCounts {
    let [requests, violations] = [0, 0];
    for (const [atMs, arrived, missed] of this.#slots) {
      if (atMs <= fromMs) continue;
      requests += arrived;
      violations += missed;
    }
    return { requests, violations };
  }
}

/** Increase of a counter; 0 if it fell or a value is NaN. */
function rise(now: number, before: number): number {
  return now > before ? now - before : 0;
}
