/** A fair weighted semaphore, for example for bytes of memory or concurrent writes. Waiters are served in order. */
export class Semaphore {
  readonly #capacity: number;
  #used = 0;
  readonly #waiting: { readonly amount: number; readonly resolve: () => void }[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Resolves when the amount is available, capped at the capacity. Returns the release function. */
  async acquire(amount: number): Promise<() => void> {
    const taken = Math.min(amount, this.#capacity);
    await new Promise<void>((resolve) => {
      this.#waiting.push({ amount: taken, resolve });
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
    for (let first = this.#waiting[0]; first !== undefined && this.#used + first.amount <= this.#capacity; first = this.#waiting[0]) {
      this.#used += first.amount;
      this.#waiting.shift();
      first.resolve();
    }
  }
}
