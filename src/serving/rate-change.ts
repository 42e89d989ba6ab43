/**
 * Whether the rate of arrivals has changed: two CUSUM tests (Page, Biometrika 1954) for twice and for half the rate, by the
 * likelihood ratio of exponential gaps. With gap x, rate λ and k = 2 or ½:
 *
 *   g ← max(0, g + ln k − (k − 1)·λ·x),   a change where g > h
 *
 * A false alarm takes about e^h gaps at random arrivals, so that h = ln(gaps in an hour) makes about one in an hour. Arrivals
 * that come in bursts make more; each alarm raises h, so that they get used to, and with time it comes down again.
 */

/** Gaps that the rate is taken from before a change of it can be told. */
const gapsMin = 100;
const thresholdMin = 8;
const thresholdMax = 5000;
const raisedBy = 1.5;
const halvedInMs = 1_800_000;
const hourMs = 3_600_000;
const ln2 = Math.log(2);

export class RateChange {
  #lastMs = Number.NaN;
  #gaps = 0;
  #sumMs = 0;
  #faster = 0;
  #slower = 0;
  /** Arrivals since the statistic was last 0: those since the change, should it be one. */
  #sinceFaster = 0;
  #sinceSlower = 0;
  #raise = 1;
  #raisedAtMs = 0;

  /** An arrival. 0, or where the rate has changed, how many of the last arrivals came since. */
  observe(atMs: number): number {
    const gapMs = Math.max(atMs - this.#lastMs, 0);
    this.#lastMs = Math.max(atMs, Number.isNaN(this.#lastMs) ? atMs : this.#lastMs);
    if (Number.isNaN(gapMs)) return 0;
    if (this.#gaps < gapsMin || this.#sumMs === 0) {
      this.#gaps++;
      this.#sumMs += gapMs;
      return 0;
    }
    const relative = (gapMs * this.#gaps) / this.#sumMs;
    this.#faster = Math.max(0, this.#faster + ln2 - relative);
    this.#slower = Math.max(0, this.#slower - ln2 + relative / 2);
    this.#sinceFaster = this.#faster === 0 ? 0 : this.#sinceFaster + 1;
    this.#sinceSlower = this.#slower === 0 ? 0 : this.#sinceSlower + 1;
    const threshold = this.#threshold(atMs);
    if (this.#faster > threshold) return this.#alarm(atMs, this.#sinceFaster);
    if (this.#slower > threshold) return this.#alarm(atMs, this.#sinceSlower);
    this.#gaps++;
    this.#sumMs += gapMs;
    return 0;
  }

  #threshold(nowMs: number): number {
    const calm = 1 + (this.#raise - 1) * 0.5 ** ((nowMs - this.#raisedAtMs) / halvedInMs);
    const gapsInAnHour = (hourMs * this.#gaps) / this.#sumMs;
    return Math.min(thresholdMax, calm * Math.max(thresholdMin, Math.log(gapsInAnHour)));
  }

  #alarm(nowMs: number, since: number): number {
    const calm = 1 + (this.#raise - 1) * 0.5 ** ((nowMs - this.#raisedAtMs) / halvedInMs);
    this.#raise = calm * raisedBy;
    this.#raisedAtMs = nowMs;
    this.#gaps = 0;
    this.#sumMs = 0;
    this.#faster = 0;
    this.#slower = 0;
    this.#sinceFaster = 0;
    this.#sinceSlower = 0;
    return since;
  }
}
