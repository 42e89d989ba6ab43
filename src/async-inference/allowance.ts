/** So much of something may be in use at once: bytes of memory, say, or turns at the database. Who wants more than is free waits, in order. */
export class Allowance {
  readonly #most: number;
  #used = 0;
  readonly #waiting: { readonly amount: number; readonly go: () => void }[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves when it may be taken; more than there is at all counts as all there is. The answer gives it back. */
  async take(amount: number): Promise<() => void> {
    const taken = Math.min(amount, this.#most);
    await new Promise<void>((go) => {
      this.#waiting.push({ amount: taken, go });
      this.#next();
    });
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#used -= taken;
      this.#next();
    };
  }

  #next(): void {
    for (let first = this.#waiting[0]; first !== undefined && this.#used + first.amount <= this.#most; first = this.#waiting[0]) {
      this.#used += first.amount;
      this.#waiting.shift();
      first.go();
    }
  }
}
