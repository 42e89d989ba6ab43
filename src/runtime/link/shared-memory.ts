/**
 * Memory shared by the server and one worker as an unnamed file, used for large frames. The buffer of a socket holds 208 KiB. To transfer a
 * tensor of 600 KB, both processes would wake each other several times while the worker could compute. Shared memory needs only one copy in
 * and one copy out.
 */
import { closeSync, fchownSync, openSync, readSync, unlinkSync, writevSync } from 'node:fs';
import { malformedFrame } from './frames.ts';

const folder = '/dev/shm';

/** Larger frames use the socket, because written pages remain allocated as long as the worker lives. */
export const sharedBytesMax = 16 * 1024 * 1024;

/** One slot for the current run, one for the run sent ahead. */
export const slots = 2;

/** The file descriptor of the shared memory in the worker. */
export const sharedMemoryFd = 3;

/** Freed once neither process has it open. If it cannot be created or is full, the socket carries the frames. */
export class SharedMemory {
  readonly fd: number;
  /** Reused: fresh memory costs a page fault per 4 KiB, more than the copy itself. */
  readonly #contents: Buffer[] = Array.from({ length: slots }, () => Buffer.alloc(0));

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Null if there is no in-memory file system, or if it is full or not writable. The socket then carries every frame, only slower. */
  static create(name: string): SharedMemory | null {
    try {
      const path = `${folder}/penstock-${process.pid}-${name}`;
      const fd = openSync(path, 'wx+', 0o600);
      unlinkSync(path); // the memory is freed once no process has it open
      return new SharedMemory(fd);
    } catch {
      return null;
    }
  }

  /** Like `create`, but the file keeps its name until the worker has opened it. It belongs to `owner`; null: to this user. */
  static createNamed(path: string, owner: { readonly uid: number; readonly gid: number } | null): SharedMemory | null {
    try {
      const memory = new SharedMemory(openSync(path, 'wx+', 0o600));
      if (owner !== null) fchownSync(memory.fd, owner.uid, owner.gid);
      return memory;
    } catch {
      return null;
    }
  }

  /** Returns false if the frame does not fit. */
  write(slot: number, chunks: readonly Buffer[], bytes: number): boolean {
    if (bytes > sharedBytesMax) return false;
    try {
      return writevSync(this.fd, chunks, slot * sharedBytesMax) === bytes;
    } catch {
      return false; // the file system is full
    }
  }

  /** The frame in the slot. The bytes are valid until the next read of the slot. */
  read(slot: number, bytes: number): Buffer {
    if (slot >= slots || bytes > sharedBytesMax) throw malformedFrame(`slot ${slot} of the shared memory does not hold ${bytes} bytes`);
    if ((this.#contents[slot] as Buffer).length < bytes) this.#contents[slot] = Buffer.allocUnsafeSlow(bytes);
    const content = (this.#contents[slot] as Buffer).subarray(0, bytes);
    for (let filled = 0; filled < bytes; ) {
      const count = readSync(this.fd, content, filled, bytes - filled, slot * sharedBytesMax + filled);
      if (count === 0) throw malformedFrame('the shared memory is shorter than the frame');
      filled += count;
    }
    return content;
  }

  close(): void {
    closeSync(this.fd);
  }
}
