/** How many cores serving keeps busy: the 95th percentile of the seconds of the last 15 minutes. */

/** A worker, and the processor time that it has used. */
export interface BusyWorker {
  readonly id: string;
  /** CPU time since its start; null if it is unknown. */
  readonly cpuMs: number | null;
}

const samplesMax = 900;
const percentile = 0.95;

/** Fed once a second. A worker that is new since the last call counts from then on. */
export class ServingLoad {
  readonly #samples: number[] = [];
  #before: { readonly atMs: number; readonly cpuMs: ReadonlyMap<string, number> } | null = null;

  /** Call about each second. */
  sample(workers: readonly BusyWorker[], nowMs: number): void {
    const cpuMs = new Map(workers.flatMap(({ id, cpuMs: value }) => (value === null ? [] : [[id, value] as const])));
    const before = this.#before;
    this.#before = { atMs: nowMs, cpuMs };
    if (before === null || nowMs <= before.atMs) return;
    let usedMs = 0;
    for (const [id, value] of cpuMs) usedMs += Math.max(0, value - (before.cpuMs.get(id) ?? value));
    this.#samples.push(usedMs / (nowMs - before.atMs));
    if (this.#samples.length > samplesMax) this.#samples.shift();
  }

  /** Cores; 0 before the second sample. */
  get busyCores(): number {
    const sorted = this.#samples.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * percentile))] ?? 0;
  }
}
