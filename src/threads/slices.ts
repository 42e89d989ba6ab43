/** Splits long work of the event loop into slices, if its data is too entangled with the server's state to move to a thread. */

/** Resolves after all pending work of the event loop has run. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Copying this much takes about a millisecond. */
const copiedPerSlice = 2 ** 20;

/** A copy with memory of its own, which can move to a thread: structured cloning would copy all that the bytes are a part of. */
export async function copyInSlices(bytes: Uint8Array): Promise<Buffer> {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  for (let at = 0; at < bytes.length; at += copiedPerSlice) {
    if (at > 0) await nextTurn();
    copy.set(bytes.subarray(at, at + copiedPerSlice), at);
  }
  return copy;
}

/** Joins pieces without holding the event loop. */
export async function joinInSlices(pieces: readonly Uint8Array[]): Promise<Buffer> {
  const whole = Buffer.allocUnsafeSlow(pieces.reduce((sum, { length }) => sum + length, 0));
  const slices = new Slices(copiedPerSlice);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
    await slices.done(piece.length);
  }
  return whole;
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
