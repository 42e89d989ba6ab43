/** What a process prints, line by line; the last ones are kept to tell why it ended. */
import type { Readable } from 'node:stream';

const linesMax = 20;
/** A line longer than this is cut into several: a process that never ends its line must not fill our memory. */
const lineLengthMax = 1000;

export class LastLines {
  readonly #lines: string[] = [];

  /** Follows a stream; each line is also handed on at once. */
  follow(stream: Readable, onLine: (line: string) => void): void {
    let open = '';
    const take = (line: string) => {
      if (line.trim() === '') return;
      this.#lines.push(line);
      if (this.#lines.length > linesMax) this.#lines.shift();
      onLine(line);
    };
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      const pieces = (open + text).split('\n');
      open = pieces.pop() as string;
      for (const piece of pieces) take(piece.slice(0, lineLengthMax));
      for (; open.length > lineLengthMax; open = open.slice(lineLengthMax)) take(open.slice(0, lineLengthMax));
    });
    stream.on('close', () => take(open));
    stream.on('error', () => undefined); // the pipe of a process that was killed
  }

  toString(): string {
    return this.#lines.join('\n');
  }
}
