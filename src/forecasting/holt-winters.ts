/**
 * Holt-Winters exponential smoothing with a damped trend, on y = √count.
 *
 *   p[n]: the profile of a day, its first visit = y, then p += .25 (y - p), after e was taken
 *   S(n) = mean of the visited p at n-4 .. n+4, weights 1/(1+|k|)
 *   e = y - S(t);  l' = .4 e + .6 (l + .9 b);  b' = .1 (l' - l) + .9 (.9 b)
 *   m(h) = max(0, .97^h l + b Σ_{i=1..h} .9^i + S(t+h))²
 *
 * The level over the profile fades by 3 % per slot and the trend by 10 %. Without seasons S is 0, and the level does not fade.
 */
import type { History } from './history.ts';
import { packFloats, unpackFloats, unpackNumber, unpackObject } from './packing.ts';
import type { ForecasterShape, PointModel } from './tracked-forecaster.ts';

const profileGain = 0.25;
const neighbourSlots = 4;
const levelGain = 0.4;
const trendGain = 0.1;
const trendDamping = 0.9;
const levelFading = 0.97;

/** A baseline with trend and a daily profile. */
export class HoltWintersModel implements PointModel {
  readonly #shape: ForecasterShape;
  /** Profile by slot of the day; NaN if not visited yet. Stored in 32 bits to limit the size of snapshots. */
  readonly #profile: Float32Array;
  #level = 0;
  #trend = 0;
  #isStarted = false;

  constructor(shape: ForecasterShape) {
    this.#shape = shape;
    this.#profile = new Float32Array(shape.isSeasonal ? shape.slotsPerDay : 0).fill(Number.NaN);
  }

  /**
   * Damped Holt-Winters on roots without the season: level l = α y + (1 − α)(l + φ b), trend b = β (l − l') + (1 − β) φ b, where y is the
   * root minus the season, and l' the level before.
   */
  train(history: History): void {
    const { slot, lastRoot: root } = history;
    const above = root - this.#season(slot) || 0; // 0 on the first visit at this time of day
    this.#visit(slot, root);
    const damped = trendDamping * this.#trend;
    const level = this.#isStarted ? levelGain * above + (1 - levelGain) * (this.#level + damped) : above;
    this.#trend = this.#isStarted ? trendGain * (level - this.#level) + (1 - trendGain) * damped : 0;
    this.#level = level;
    this.#isStarted = true;
  }

  /**
   * Level, damped trend over h slots (the geometric sum of φ), and the season at that time of day. With a season, the level fades with the
   * distance.
   */
  rootAhead(history: History, i: number): number {
    if (history.isStale) return Number.NaN;
    const h = this.#shape.horizons[i] as number;
    const season = this.#season(history.slot + h);
    if (Number.isNaN(season)) return Number.NaN;
    const faded = this.#shape.isSeasonal ? levelFading ** h : 1;
    const steps = (trendDamping * (1 - trendDamping ** h)) / (1 - trendDamping);
    return Math.max(0, faded * this.#level + steps * this.#trend + season);
  }

  snapshot(): unknown {
    return { level: this.#level, trend: this.#trend, isStarted: this.#isStarted, profile: packFloats(this.#profile) };
  }

  restore(provided: unknown): void {
    const state = unpackObject(provided);
    this.#level = unpackNumber(state['level']);
    this.#trend = unpackNumber(state['trend']);
    this.#isStarted = state['isStarted'] === true;
    unpackFloats(state['profile'], this.#profile, true);
  }

  #visit(slot: number, root: number): void {
    if (!this.#shape.isSeasonal) return;
    const place = slot % this.#shape.slotsPerDay;
    const before = this.#profile[place] as number;
    this.#profile[place] = Number.isNaN(before) ? root : before + profileGain * (root - before);
  }

  /** S(n); NaN if none of the nine slots was visited. */
  #season(slot: number): number {
    const { isSeasonal, slotsPerDay } = this.#shape;
    if (!isSeasonal) return 0;
    let sum = 0;
    let weights = 0;
    for (let k = -neighbourSlots; k <= neighbourSlots; k++) {
      const root = this.#profile[(slot + k + slotsPerDay * neighbourSlots) % slotsPerDay] as number;
      if (Number.isNaN(root)) continue;
      const weight = 1 / (1 + Math.abs(k));
      sum += weight * root;
      weights += weight;
    }
    return sum / weights;
  }
}
