/**
 * The last arrivals of a variant, and whether their rate changed: input for choosing a batch size. The change test is calibrated
 * with the gaps since the last change. Bursts that outlast the test raise an alarm each time. So each alarm raises the evidence
 * required for the next, and this increase decays over time.
 */
import { ChangePoint, calibratedThreshold } from '../../queueing/index.ts';

/** Number of retained arrivals. */
const arrivalsMax = 5000;
/** The test is first calibrated after `gapsAtFirst` gaps, again after `gapsSoon`, then every `gapsBetween`. */
const gapsAtFirst = 100;
const gapsSoon = 300;
const gapsBetween = 1000;

const raisedBy = 1.5;
const raiseMax = 1000;
const halvedInMs = 1_800_000;

/** Fixed memory: the oldest arrivals are overwritten. */
export class ArrivalWindow {
  /** One arrival time per row, as a ring buffer. */
  readonly #timesMs = new Float64Array(arrivalsMax);
  #count = 0;
  #next = 0;
  /** Per request, as ring buffers: the gap before it and its number of rows. */
  readonly #gapsMs = new Float64Array(arrivalsMax);
  readonly #rows = new Uint16Array(arrivalsMax);
  #gaps = 0;
  #nextGap = 0;
  #lastMs = Number.NaN;
  #test: ChangePoint | null = null;
  #untilCalibration = gapsAtFirst;
  #raise = 1;
  #raisedAtMs = 0;
  #hasAlarm = false;

  /** Adds a request; each of its rows counts as an arrival. */
  add(atMs: number, rows: number): void {
    for (let row = Math.min(rows, arrivalsMax); row > 0; row--) {
      this.#timesMs[this.#next] = atMs;
      this.#next = (this.#next + 1) % arrivalsMax;
    }
    this.#count = Math.min(arrivalsMax, this.#count + rows);
    const isFirst = Number.isNaN(this.#lastMs);
    const gapMs = isFirst ? 0 : Math.max(0, atMs - this.#lastMs);
    this.#lastMs = isFirst ? atMs : Math.max(this.#lastMs, atMs);
    if (!isFirst) this.#gap(atMs, gapMs, rows);
  }

  /** One time per row, `clock.nowMs()`, in order of arrival. */
  timesMs(): Float64Array {
    return latest(this.#timesMs, this.#next, this.#count);
  }

  /** Whether the rate changed since the last call; arrivals before the change are already dropped. */
  consumeAlarm(): boolean {
    const hasAlarm = this.#hasAlarm;
    this.#hasAlarm = false;
    return hasAlarm;
  }

  #gap(atMs: number, gapMs: number, rows: number): void {
    this.#gapsMs[this.#nextGap] = gapMs;
    this.#rows[this.#nextGap] = rows;
    this.#nextGap = (this.#nextGap + 1) % arrivalsMax;
    if (this.#gaps < arrivalsMax) this.#gaps++;
    const change = this.#test?.add(gapMs) ?? null;
    if (change !== null) this.#changed(atMs, change.gapsSince);
    else if (--this.#untilCalibration === 0) this.#calibrate(atMs);
  }

  #changed(atMs: number, gapsSince: number): void {
    this.#hasAlarm = true;
    this.#gaps = Math.min(this.#gaps, gapsSince);
    let rows = 0;
    for (let back = 1; back <= this.#gaps; back++) rows += this.#rows[(this.#nextGap - back + arrivalsMax) % arrivalsMax] as number;
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

/** The last `count` entries of a ring buffer that is written at `next`. */
function latest(ring: Float64Array, next: number, count: number): Float64Array {
  const first = next - count;
  if (first >= 0) return ring.slice(first, next);
  const entries = new Float64Array(count);
  entries.set(ring.subarray(ring.length + first));
  entries.set(ring.subarray(0, next), -first);
  return entries;
}
