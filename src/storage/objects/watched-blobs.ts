/** Blobs whose store may be away: knows whether the last operation reached it. */
import { PlatformError } from '../../errors.ts';
import type { Blob, Blobs, NewBlob } from './blobs.ts';

/** Reports changes only: once when the store is away, and once when it is back. */
export class WatchedBlobs implements Blobs {
  readonly place: string;
  readonly #blobs: Blobs;
  readonly #onChange: (problem: string | null) => void;
  #problem: string | null = null;

  /** `onChange`: called when the store becomes unavailable (with the reason) or available again (null). */
  constructor(blobs: Blobs, onChange: (problem: string | null) => void) {
    this.#blobs = blobs;
    this.place = blobs.place;
    this.#onChange = onChange;
  }

  /** Why the last operation did not reach the store; null if it did. */
  get problem(): string | null {
    return this.#problem;
  }

  write(key: string, blob: NewBlob): Promise<void> {
    return this.#watch(() => this.#blobs.write(key, blob));
  }

  sizeOf(key: string): Promise<number | undefined> {
    return this.#watch(() => this.#blobs.sizeOf(key));
  }

  read(key: string, start: number, end: number): AsyncGenerator<Buffer> {
    return this.#watchAll(this.#blobs.read(key, start, end));
  }

  list(prefix: string): AsyncGenerator<Blob> {
    return this.#watchAll(this.#blobs.list(prefix));
  }

  move(from: string, to: string): Promise<boolean> {
    return this.#watch(() => this.#blobs.move(from, to));
  }

  delete(key: string): Promise<void> {
    return this.#watch(() => this.#blobs.delete(key));
  }

  sweepUploads(beforeMs: number): Promise<void> {
    return this.#watch(() => this.#blobs.sweepUploads(beforeMs));
  }

  close(): Promise<void> {
    return this.#blobs.close();
  }

  async #watch<T>(run: () => Promise<T>): Promise<T> {
    try {
      const result = await run();
      this.#set(null);
      return result;
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  async *#watchAll<T>(items: AsyncGenerator<T>): AsyncGenerator<T> {
    try {
      yield* items;
      this.#set(null);
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }

  #failed(error: unknown): void {
    if (error instanceof PlatformError && error.code === 'unavailable') this.#set(error.message);
  }

  #set(problem: string | null): void {
    const isChange = (problem === null) !== (this.#problem === null);
    this.#problem = problem;
    if (isChange) this.#onChange(problem);
  }
}
