/** What was spent within the last hour, to the minute: a limit that needs no clock on the wall and cannot be spent twice around the full hour. */
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

  /** Minutes that have passed since are forgotten as their places are taken. */
  #turnTo(nowMs: number): void {
    const minute = Math.floor(nowMs / minuteMs);
    if (minute - this.#minute >= minutes) this.#usd.fill(0);
    else while (this.#minute < minute) this.#usd[++this.#minute % minutes] = 0;
    this.#minute = minute;
  }
}
