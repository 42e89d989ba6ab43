/**
 * Memory that the server and one worker both have open, as a file without a name: large frames go through it. A
 * socket's buffer holds 208 KiB, so a tensor of 600 KB takes both processes several turns of waking each other while
 * the worker could compute; here it is one copy in and one copy out.
 */
import { closeSync, openSync, readSync, unlinkSync, writevSync } from 'node:fs';
import { malformed } from './frames.ts';

const folder = '/dev/shm';

/** Larger frames take the socket: what was once written stays allocated as long as the worker lives. */
export const sharedBytesMax = 16 * 1024 * 1024;

/** One for the run under way, one for that sent ahead. */
export const slots = 2;

/** The worker finds it as this file descriptor. */
export const sharedMemoryFd = 3;

export class SharedMemory {
  readonly fd: number;
  /** Used again and again: fresh memory costs a page fault every 4 KiB, more than the copy itself. */
  readonly #contents: Buffer[] = Array.from({ length: slots }, () => Buffer.alloc(0));

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Null where there is no file system in memory, or it is full or not ours to write: the socket does as well, slower. */
  static create(name: string): SharedMemory | null {
    try {
      const path = `${folder}/penstock-${process.pid}-${name}`;
      const fd = openSync(path, 'wx+', 0o600);
      unlinkSync(path); // it goes with the last process that has it open
      return new SharedMemory(fd);
    } catch {
      return null;
    }
  }

  /** False where it does not fit. */
  write(slot: number, chunks: readonly Buffer[], bytes: number): boolean {
    if (bytes > sharedBytesMax) return false;
    try {
      return writevSync(this.fd, chunks, slot * sharedBytesMax) === bytes;
    } catch {
      return false; // the file system is full
    }
  }

  /** The frame that lies in the slot; the bytes are valid until the next read of it. */
  read(slot: number, bytes: number): Buffer {
    if (slot >= slots || bytes > sharedBytesMax) throw malformed(`slot ${slot} of the shared memory holds no ${bytes} bytes`);
    if ((this.#contents[slot] as Buffer).length < bytes) this.#contents[slot] = Buffer.allocUnsafeSlow(bytes);
    const content = (this.#contents[slot] as Buffer).subarray(0, bytes);
    for (let filled = 0; filled < bytes; ) {
      const count = readSync(this.fd, content, filled, bytes - filled, slot * sharedBytesMax + filled);
      if (count === 0) throw malformed('the shared memory is shorter than the frame');
      filled += count;
    }
    return content;
  }

  close(): void {
    closeSync(this.fd);
  }
}
