/** The loop of a part of selections: looks at all endpoints periodically. A failure of one look does not end the loop. */
import { type Clock, Loop } from '../../clock.ts';

/** What every such part has among its options. */
export interface SelectionLoopOptions {
  readonly clock: Clock;
  /** Called with the endpoint whose turn failed; the next look tries it again. */
  readonly onFailure: (endpoint: string, error: unknown) => void;
}

/** A subclass says what it looks at. Looks never overlap, and tests call `look` without opening the loop. */
export abstract class SelectionLoop {
  readonly #loop: Loop;

  constructor({ clock, onFailure }: SelectionLoopOptions, everyMs: number) {
    this.#loop = new Loop({ clock, everyMs, run: () => this.look(), onFailure: (error) => onFailure('all endpoints', error) });
  }

  /** Looks once at all endpoints. */
  abstract look(): Promise<void>;

  /** The first look follows after one period. */
  open(): void {
    this.#loop.open();
  }

  /** Resolves when the current look has ended. */
  close(): Promise<void> {
    return this.#loop.close();
  }
}
