/** How long the other side of a link takes to answer, and by how much its clock is ahead, from the last beats that it echoed. Pure. */

/** Measured with one beat. */
interface RoundTrip {
  readonly tookMs: number;
  readonly aheadMs: number;
}

/** Of a link. */
export interface MeasuredLink {
  /** The median of the last round trips. */
  readonly lagMs: number;
  /** Of the fastest of them, because half of a round trip is the error of a clock. */
  readonly aheadMs: number;
}

const tripsMax = 9;
/** Numbers of beats that are answered; an echo has this added. Older versions send 0, and answer nothing. */
export const echoBit = 2 ** 31;

export class RoundTrips {
  #lastBeat = 0;
  /** The beat that is not answered yet, and when it was sent. */
  #open: { readonly beat: number; readonly sentMs: number } | null = null;
  #trips: readonly RoundTrip[] = [];

  /** The number of a beat that is sent now. An earlier one that was not answered is given up. */
  begin(nowMs: number): number {
    this.#lastBeat = (this.#lastBeat % (echoBit - 1)) + 1;
    this.#open = { beat: this.#lastBeat, sentMs: nowMs };
    return this.#lastBeat;
  }

  /** `wallMs`: of the own clock now; `theirWallMs`: in the echo. Ignores what was not asked. */
  answered(beat: number, nowMs: number, wallMs: number, theirWallMs: number): void {
    if (this.#open?.beat !== beat) return;
    const tookMs = nowMs - this.#open.sentMs;
    this.#open = null;
    this.#trips = [...this.#trips, { tookMs, aheadMs: theirWallMs + tookMs / 2 - wallMs }].slice(-tripsMax);
  }

  /** Null before the first echo. */
  get measured(): MeasuredLink | null {
    const byTime = this.#trips.toSorted((a, b) => a.tookMs - b.tookMs);
    const [fastest, median] = [byTime[0], byTime[Math.floor(byTime.length / 2)]];
    return fastest === undefined || median === undefined ? null : { lagMs: median.tookMs, aheadMs: fastest.aheadMs };
  }
}
