/** Stops a started part. */
export type Closer = () => Promise<void> | void;

/** The started parts of a server, stopped in reverse order of their start. */
export class Closers {
  readonly #all: Closer[] = [];

  push(...closers: readonly Closer[]): void {
    this.#all.push(...closers);
  }

  /** Closes this part, and returns it. */
  add<Part extends { close(): Promise<void> | void }>(part: Part): Part {
    this.#all.push(() => part.close());
    return part;
  }

  /** Stops each part once, also if it is called again. */
  async close(): Promise<void> {
    for (const closer of this.#all.splice(0).reverse()) await closer();
  }
}
