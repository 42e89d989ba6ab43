/** Splits long work of the event loop into slices, if its data is too entangled with the server's state to move to a thread. */

/** Resolves after all pending work of the event loop has run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Counts units of work, such as bytes or values, and yields to the event loop after a number of them. */
export class Slices {
  readonly #unitsPerSlice: number;
  #units = 0;

  constructor(unitsPerSlice: number) {
    this.#unitsPerSlice = unitsPerSlice;
  }

  async done(units: number): Promise<void> {
    this.#units += units;
    if (this.#units < this.#unitsPerSlice) return;
    this.#units = 0;
    await nextTurn();
  }
}
