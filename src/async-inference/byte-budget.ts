/** How many bytes of bodies are in memory at once. Who wants more than is free waits, in order. */
export class ByteBudget {
  readonly #bytesMax: number;
  #used = 0;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Resolves when they may be taken; more than there is at all counts as all there is. The answer gives them back. */
  async take(bytes: number): Promise<() => void> {
    const taken = Math.min(bytes, this.#bytesMax);
    await new Promise<void>((go) => {
      this.#waiting.push({ bytes: taken, go });
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
    for (let first = this.#waiting[0]; first !== undefined && this.#used + first.bytes <= this.#bytesMax; first = this.#waiting[0]) {
      this.#used += first.bytes;
      this.#waiting.shift();
      first.go();
    }
  }
}
