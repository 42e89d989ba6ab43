/** A log file as those see it who read it: its last lines, and the lines that come. It may be rotated any time. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import type { Clock } from '../clock.ts';

const chunkBytes = 64 * 1024;
/** How far back the last lines are looked for. */
const tailBytesMax = 16 * 1024 * 1024;
const pollMs = 250;

type Wants = (line: string) => boolean;

export interface Tail {
  readonly lines: readonly string[];
  /** Where the file ended, for `followLines`. */
  readonly endBytes: number;
}

/** The last `limit` lines that are wanted, oldest first; none where there is no file. */
export async function lastLines(path: string, limit: number, wants: Wants): Promise<Tail> {
  const file = await openIfThere(path);
  if (file === null) return { lines: [], endBytes: 0 };
  try {
    const { size } = await file.stat();
    const found: string[] = [];
    let rest = Buffer.alloc(0);
    const floor = Math.max(0, size - tailBytesMax);
    for (let end = size; end > floor && found.length < limit; ) {
      const start = Math.max(floor, end - chunkBytes);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
      rest = Buffer.concat([buffer.subarray(0, bytesRead), rest]);
      const cut = start === 0 ? 0 : rest.indexOf(0x0a) + 1;
      const lines = rest
        .subarray(cut)
        .toString()
        .split('\n')
        .filter((line) => line !== '' && wants(line));
      // With no line end in sight the chunk is the middle of a line: it waits for its beginning.
      if (start > 0 && cut === 0) {
        end = start;
        continue;
      }
      found.unshift(...lines);
      rest = rest.subarray(0, cut);
      end = start;
    }
    return { lines: limit === 0 ? [] : found.slice(-limit), endBytes: size };
  } finally {
    await file.close();
  }
}

/** Hands on each wanted line that comes after `fromBytes`, also across rotations, until it is stopped by the answer. */
export function followLines(path: string, fromBytes: number, clock: Clock, onLine: (line: string) => void, wants: Wants): () => void {
  const reader = new GrowingFile(path, fromBytes, (line) => {
    if (wants(line)) onLine(line);
  });
  let isStopped = false;
  let cancel: () => void = () => {};
  const poll = async (): Promise<void> => {
    await reader.readOn().catch(() => undefined); // a file that cannot be read now may be read the next time
    if (isStopped) await reader.close();
    else cancel = clock.after(pollMs, () => void poll());
  };
  void poll();
  return () => {
    isStopped = true;
    cancel();
    void reader.close();
  };
}

class GrowingFile {
  readonly #path: string;
  readonly #onLine: (line: string) => void;
  #file: FileHandle | null = null;
  #inode = 0;
  #offset: number;
  #partial: Buffer = Buffer.alloc(0);

  constructor(path: string, fromBytes: number, onLine: (line: string) => void) {
    this.#path = path;
    this.#offset = fromBytes;
    this.#onLine = onLine;
  }

  async readOn(): Promise<void> {
    if (this.#file === null && !(await this.#open())) return;
    await this.#readToEnd();
    const now = await stat(this.#path).catch(() => null);
    if (now === null || now.ino === this.#inode) return;
    // Rotated: the old file is read to its end, which nobody moves any more, the new one from its beginning.
    await this.#readToEnd();
    await this.close();
    this.#partial = Buffer.alloc(0);
    this.#offset = 0;
    if (await this.#open()) await this.#readToEnd();
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  async #open(): Promise<boolean> {
    this.#file = await openIfThere(this.#path);
    if (this.#file === null) return false;
    const { ino, size } = await this.#file.stat();
    this.#inode = ino;
    if (size < this.#offset) this.#offset = 0;
    return true;
  }

  async #readToEnd(): Promise<void> {
    for (let file = this.#file; file !== null; file = this.#file) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, this.#offset);
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      const text = Buffer.concat([this.#partial, buffer.subarray(0, bytesRead)]);
      const end = text.lastIndexOf(0x0a) + 1;
      this.#partial = text.subarray(end);
      for (const line of text.subarray(0, end).toString().split('\n')) if (line !== '') this.#onLine(line);
    }
  }
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
