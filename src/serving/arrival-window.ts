/**
 * The last arrivals of a variant, and whether their rate has changed: what the choice of a batch size is made from.
 *
 * The test is calibrated by the gaps seen since the last change. Arrivals that come in bursts longer than that look like
 * changes for ever; so each alarm asks for more evidence the next time, and a quiet while for less again.
 */
import { ChangePoint, calibratedThreshold } from '../queueing/index.ts';

/** So many are kept. */
const kept = 5000;
/** Gaps from which a rate can be told, and when the test is calibrated again: once soon, then now and then. */
const gapsAtFirst = 100;
const gapsSoon = 300;
const gapsBetween = 1000;

const raisedBy = 1.5;
const raiseMax = 1000;
const halvedInMs = 1_800_000;

export class ArrivalWindow {
  /** By row. */
  readonly #timesMs = new Float64Array(kept);
  #count = 0;
  #next = 0;
  /** By request: since the one before it, and its rows. */
  readonly #gapsMs = new Float64Array(kept);
  readonly #rows = new Uint16Array(kept);
  #gaps = 0;
  #nextGap = 0;
  #lastMs = Number.NaN;
  #test: ChangePoint | null = null;
  #untilCalibration = gapsAtFirst;
  #raise = 1;
  #raisedAtMs = 0;
  #hasAlarm = false;

  /** A request of so many rows has come, which is as many arrivals at once. */
  add(atMs: number, rows: number): void {
    for (let row = Math.min(rows, kept); row > 0; row--) {
      this.#timesMs[this.#next] = atMs;
      this.#next = (this.#next + 1) % kept;
    }
    this.#count = Math.min(kept, this.#count + rows);
    const isFirst = Number.isNaN(this.#lastMs);
    const gapMs = isFirst ? 0 : Math.max(0, atMs - this.#lastMs);
    this.#lastMs = isFirst ? atMs : Math.max(this.#lastMs, atMs);
    if (!isFirst) this.#gap(atMs, gapMs, rows);
  }

  /** In the order in which they came. */
  timesMs(): Float64Array {
    return latest(this.#timesMs, this.#next, this.#count);
  }

  /** Whether the rate has changed since last asked; those before the change are forgotten by then. */
  takeAlarm(): boolean {
    const hasAlarm = this.#hasAlarm;
    this.#hasAlarm = false;
    return hasAlarm;
  }

  #gap(atMs: number, gapMs: number, rows: number): void {
    this.#gapsMs[this.#nextGap] = gapMs;
    this.#rows[this.#nextGap] = rows;
    this.#nextGap = (this.#nextGap + 1) % kept;
    if (this.#gaps < kept) this.#gaps++;
    const change = this.#test?.add(gapMs) ?? null;
    if (change !== null) this.#changed(atMs, change.gapsSince);
    else if (--this.#untilCalibration === 0) this.#calibrate(atMs);
  }

  #changed(atMs: number, gapsSince: number): void {
    this.#hasAlarm = true;
    this.#gaps = Math.min(this.#gaps, gapsSince);
    let rows = 0;
    for (let back = 1; back <= this.#gaps; back++) rows += this.#rows[(this.#nextGap - back + kept) % kept] as number;
    this.#count = Math.min(this.#count, rows);
    this.#raise = Math.min(raiseMax, this.#raiseAt(atMs) * raisedBy);
    this.#raisedAtMs = atMs;
    this.#test = null;
    this.#untilCalibration = Math.max(1, gapsAtFirst - this.#gaps);
  }

  #calibrate(nowMs: number): void {
    this.#untilCalibration = this.#gaps < gapsSoon ? gapsSoon - this.#gaps : gapsBetween;
    const gapsMs = latest(this.#gapsMs, this.#nextGap, this.#gaps);
    const spanMs = gapsMs.reduce((sum, gapMs) => sum + gapMs, 0);
    if (spanMs === 0) return;
    const ratePerSecond = (1000 * gapsMs.length) / spanMs;
    this.#test = new ChangePoint({ ratePerSecond, threshold: calibratedThreshold(gapsMs, ratePerSecond) * this.#raiseAt(nowMs) });
  }

  #raiseAt(nowMs: number): number {
    return 1 + (this.#raise - 1) * 0.5 ** ((nowMs - this.#raisedAtMs) / halvedInMs);
  }
}

/** The last `count` entries of a ring that is written at `next`. */
function latest(ring: Float64Array, next: number, count: number): Float64Array {
  const first = next - count;
  if (first >= 0) return ring.slice(first, next);
  const entries = new Float64Array(count);
  entries.set(ring.subarray(ring.length + first));
  entries.set(ring.subarray(0, next), -first);
  return entries;
}
