/**
 * While a backup runs, servers move objects of a remote store to the trash instead of deleting them. The mark of a backup is a blob. A
 * server reads the marks at most once a second, so a backup begins a moment after its mark. The mark of a killed backup expires.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Blobs } from './blobs.ts';

const prefix = 'backups/';
const knownMs = 1000;
/** Longer than the clocks of machines differ, and than a snapshot of SQLite takes. */
const freshMs = 6 * 3_600_000;

/** Marks of all backups of the installation, on whichever machine they run. */
export class BackupMarks {
  readonly #blobs: Blobs;
  readonly #clock: Clock;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<boolean> = Promise.resolve(false);

  constructor(blobs: Blobs, clock: Clock) {
    this.#blobs = blobs;
    this.#clock = clock;
  }

  /** Whether a backup requires the stores to retain objects. Throws `unavailable`; the caller then removes nothing. */
  isRetained(): Promise<boolean> {
    if (this.#clock.nowMs() - this.#readAtMs < knownMs) return this.#reading;
    this.#readAtMs = this.#clock.nowMs();
    this.#reading = this.#read();
    this.#reading.catch(() => {
      this.#readAtMs = Number.NEGATIVE_INFINITY;
    });
    return this.#reading;
  }

  /** Resolves once all servers retain objects. Call the result at the end of the backup. */
  async begin(): Promise<() => Promise<void>> {
    const key = `${prefix}${randomUUID()}`;
    const content = Buffer.from('a backup reads these objects');
    await this.#blobs.write(key, { content, bytes: content.length });
    await new Promise<void>((resolve) => this.#clock.after(2 * knownMs, resolve));
    return () => this.#blobs.delete(key);
  }

  async #read(): Promise<boolean> {
    for await (const { modifiedAtMs } of this.#blobs.list(prefix)) if (this.#clock.wallMs() - modifiedAtMs < freshMs) return true;
    return false;
  }
}
