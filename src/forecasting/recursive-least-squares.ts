/**
 * Linear regression z ≈ wᵀx that learns from successive pairs (x, z) and forgets slowly (recursive least squares with
 * exponential forgetting; Haykin, Adaptive Filter Theory, chapter on RLS):
 *
 *   g = P x / (λ + xᵀ P x);   w += g (z - wᵀ x);   P = (P - g (P x)ᵀ) / λ        P₀ = 10 I, w₀ = 0
 *
 * w minimises Σ λ^(n-i) (z_i - wᵀx_i)² + λ^n |w|²/10, and P is the inverse of Σ λ^(n-i) x_i x_iᵀ + λ^n I/10. With λ = .9997 a
 * pair from 3333 slots ago has the weight 1/e. If an x stays 0, P grows by 1/λ each time; from a trace of 10⁴ d on it is divided
 * by ten. An update allocates nothing.
 */
import { packFloats, unpackFloats, unpackObject } from './packing.ts';

const forgettingDefault = 0.9997;
const spreadAtStart = 10;
const traceMaxPerFeature = 1e4;

/** An update takes time quadratic in the number of features, and allocates nothing. */
export class RecursiveLeastSquares {
  readonly #size: number;
  readonly #forgetting: number;
  readonly #weights: Float64Array;
  /** P in row-major order; exactly symmetric. */
  readonly #spread: Float64Array;
  readonly #spreadX: Float64Array;

  /** `forgetting`: λ, the weight of a pair relative to the next one. */
  constructor(size: number, forgetting = forgettingDefault) {
    this.#size = size;
    this.#forgetting = forgetting;
    this.#weights = new Float64Array(size);
    this.#spread = new Float64Array(size * size);
    this.#spreadX = new Float64Array(size);
    this.#startSpread();
  }

  /** The prediction wᵀx. */
  answer(x: Float64Array): number {
    let sum = 0;
    for (let i = 0; i < this.#size; i++) sum += (this.#weights[i] as number) * (x[i] as number);
    return sum;
  }

  /**
   * xᵀPx: the distance of x from all learned inputs. The variance of a prediction error is σ²(1 + xᵀPx), where σ is the noise of
   * z. At 1, the uncertainty of w is as large as the noise.
   */
  leverage(x: Float64Array): number {
    const size = this.#size;
    let sum = 0;
    for (let i = 0; i < size; i++) {
      let spreadX = 0;
      for (let j = 0; j < size; j++) spreadX += (this.#spread[i * size + j] as number) * (x[j] as number);
      sum += spreadX * (x[i] as number);
    }
    return sum;
  }

  /**
   * One step of recursive least squares with forgetting factor λ, where P is the inverse of the weighted covariance of the inputs: k = P x
   * / (λ + xᵀ P x), w += k (z − wᵀ x), P = (P − k xᵀ P) / λ. P is symmetric, so half of it is computed. It is scaled down once its trace is
   * too large.
   */
  train(x: Float64Array, z: number): void {
    const size = this.#size;
    const forgetting = this.#forgetting;
    const [spread, spreadX, weights] = [this.#spread, this.#spreadX, this.#weights];
    let xSpreadX = 0;
    for (let i = 0; i < size; i++) {
      let sum = 0;
      for (let j = 0; j < size; j++) sum += (spread[i * size + j] as number) * (x[j] as number);
      spreadX[i] = sum;
      xSpreadX += sum * (x[i] as number);
    }
    // After very uneven inputs, rounding can make P indefinite. Then P is reset and w is unchanged.
    if (!(xSpreadX >= 0)) {
      this.#startSpread();
      return;
    }
    const scale = 1 / (forgetting + xSpreadX);
    const error = z - this.answer(x);
    let trace = 0;
    for (let i = 0; i < size; i++) {
      const gain = (spreadX[i] as number) * scale;
      weights[i] = (weights[i] as number) + gain * error;
      for (let j = i; j < size; j++) {
        const value = ((spread[i * size + j] as number) - gain * (spreadX[j] as number)) / forgetting;
        spread[i * size + j] = value;
        spread[j * size + i] = value;
      }
      trace += spread[i * size + i] as number;
    }
    if (trace > traceMaxPerFeature * size) for (let i = 0; i < spread.length; i++) spread[i] = (spread[i] as number) * 0.1;
  }

  snapshot(): unknown {
    const upper = new Float64Array((this.#size * (this.#size + 1)) / 2);
    let n = 0;
    for (let i = 0; i < this.#size; i++) for (let j = i; j < this.#size; j++) upper[n++] = this.#spread[i * this.#size + j] as number;
    return { weights: packFloats(this.#weights), spread: packFloats(upper) };
  }

  /** Replaces the state with one from a snapshot. Throws `invalid_request`. */
  restore(provided: unknown): void {
    const state = unpackObject(provided);
    unpackFloats(state['weights'], this.#weights);
    const upper = unpackFloats(state['spread'], new Float64Array((this.#size * (this.#size + 1)) / 2));
    let n = 0;
    for (let i = 0; i < this.#size; i++) {
      for (let j = i; j < this.#size; j++) {
        const value = upper[n++] as number;
        this.#spread[i * this.#size + j] = value;
        this.#spread[j * this.#size + i] = value;
      }
    }
  }

  #startSpread(): void {
    this.#spread.fill(0);
    for (let i = 0; i < this.#size; i++) this.#spread[i * this.#size + i] = spreadAtStart;
  }
}
