/** Objects that are being fetched: other hosts read what is there of them, and wait for what comes next. */
import type { Clock } from '../../clock.ts';
import { PlatformError } from '../../errors.ts';

/** How long a reader waits for a range. It asks elsewhere before. */
const waitMsMax = 5000;
/** Readers that wait at once, of all objects. */
const waitingMax = 256;

/** A file with an object, or with the first part of one. */
export interface ObjectFile {
  readonly path: string;
  /** Of the whole object. Null: that of the file. */
  readonly size: number | null;
}

interface PartialObject extends ObjectFile {
  readonly size: number;
  /** From its start: written, and verified as far as other hosts sent it. */
  bytes: number;
  readonly waiting: Set<() => void>;
}

export class PartialObjects {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #objects = new Map<string, PartialObject>();
  #waiting = 0;

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock;
  }

  /** From now on, its first `bytes` bytes can be read. */
  written(sha256: string, path: string, size: number, bytes: number): void {
    const object = this.#objects.get(sha256) ?? { path, size, bytes: 0, waiting: new Set() };
    this.#objects.set(sha256, object);
    object.bytes = bytes;
    for (const wake of object.waiting) wake();
  }

  /** It is complete, or was given up. */
  end(sha256: string): void {
    const object = this.#objects.get(sha256);
    this.#objects.delete(sha256);
    for (const wake of object?.waiting ?? []) wake();
  }

  /** Resolves once the file has the bytes from `start` to `start + bytes`, and with null if the object is not being fetched (any more). */
  async fileWith(sha256: string, start: number, bytes: number): Promise<ObjectFile | null> {
    const isOver = { value: false };
    for (;;) {
      const object = this.#objects.get(sha256);
      if (object === undefined) return null;
      if (Math.min(start + bytes, object.size) <= object.bytes) return object;
      if (isOver.value || this.#waiting >= waitingMax)
        throw new PlatformError('unavailable', `the object ${sha256} is being fetched: it has no bytes at ${start} yet`, {
          retryAfterMs: 1000,
        });
      await this.#change(object, isOver);
    }
  }

  /** Resolves when more of it is written, or the time is over. */
  #change(object: PartialObject, isOver: { value: boolean }): Promise<void> {
    this.#waiting++;
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        object.waiting.delete(wake);
        this.#waiting--;
        resolve();
      };
      const cancel = this.#clock.after(waitMsMax, () => {
        isOver.value = true;
        wake();
      });
      object.waiting.add(wake);
    });
  }
}
