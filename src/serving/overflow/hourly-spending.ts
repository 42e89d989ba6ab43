/** Spending of the last 60 minutes, by minute. A sliding window, so an hourly budget cannot be spent twice around a full hour. */
const minutes = 60;
const minuteMs = 60_000;

export class HourlySpending {
  readonly #usd = new Float64Array(minutes);
  #minute = 0;

  spend(usd: number, nowMs: number): void {
    this.#turnTo(nowMs);
    this.#usd[this.#minute % minutes] = (this.#usd[this.#minute % minutes] as number) + usd;
  }

  usd(nowMs: number): number {
    this.#turnTo(nowMs);
    let sum = 0;
    for (const usd of this.#usd) sum += usd;
    return sum;
  }

  /** Moves to the current minute and clears the minutes since the last call. */
  #turnTo(nowMs: number): void {
    const minute = Math.floor(nowMs / minuteMs);
    if (minute - this.#minute >= minutes) this.#usd.fill(0);
    else while (this.#minute < minute) this.#usd[++this.#minute % minutes] = 0;
    this.#minute = minute;
  }
}
