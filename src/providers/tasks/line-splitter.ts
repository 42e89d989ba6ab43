/** Splits the output of a foreign program into lines. Its memory is bounded, whatever the program prints. */

/** The limit of CloudWatch Logs; longer lines are split. */
export const taskLineBytesMax = 256 * 1024;

const newline = 0x0a;
const carriageReturn = 0x0d;

/** A line beyond the limit is cut into pieces. */
export class LineSplitter {
  readonly #bytesMax: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(bytesMax = taskLineBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** The lines that this piece completes. Invalid UTF-8 is replaced. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      this.#add(chunk.subarray(from, at), lines);
      lines.push(this.#take(true));
      from = at + 1;
    }
    // A copy: otherwise a few bytes would retain the whole pool of the stream.
    if (from < chunk.length) this.#add(from === 0 ? chunk : Buffer.from(chunk.subarray(from)), lines);
    return lines;
  }

  /** The last line, if it has no end. */
  end(): string | null {
    return this.#bytes === 0 ? null : this.#take(false);
  }

  #add(piece: Buffer, lines: string[]): void {
    let rest = piece;
    while (this.#bytes + rest.length > this.#bytesMax) {
      const room = this.#bytesMax - this.#bytes;
      const whole = Buffer.concat([...this.#parts, rest.subarray(0, room)]);
      const cut = characterStart(whole, rest[room]);
      lines.push(whole.toString('utf8', 0, cut));
      this.#parts = cut === whole.length ? [] : [whole.subarray(cut)];
      this.#bytes = whole.length - cut;
      rest = rest.subarray(room);
    }
    if (rest.length === 0) return;
    this.#parts.push(rest);
    this.#bytes += rest.length;
  }

  #take(isWhole: boolean): string {
    const line = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    const length = isWhole && line.at(-1) === carriageReturn ? line.length - 1 : line.length;
    return line.toString('utf8', 0, length);
  }
}

/** Where to split so that no character is cut: before the last one, if the next byte continues it. */
function characterStart(bytes: Buffer, next: number | undefined): number {
  if (next === undefined || !isContinuation(next)) return bytes.length;
  for (let at = bytes.length - 1; at >= Math.max(1, bytes.length - 3); at--) if (!isContinuation(bytes[at] as number)) return at;
  return bytes.length; // not UTF-8
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
