/** Counts the rows of a set while it is uploaded: what is too large is rejected before the rest arrives, and before it waits for a thread. */
import { PlatformError } from '../errors.ts';
import { type SetFormat, setRowsMax } from './evaluation-set.ts';

/** Maximum length of a row, as text. */
export const rowBytesMax = 16 * 2 ** 20;
/** Lines of a file, of which a quoted cell may have several, and which may be blank. */
const linesMax = 4 * 2 ** 20;
const newline = 0x0a;
const carriageReturn = 0x0d;
const quote = 0x22;

/** Passes the file on as it arrives. Throws `invalid_request` or `too_large` at the first byte that is too much. */
export async function* withinSetLimits(source: AsyncIterable<Uint8Array>, format: SetFormat): AsyncGenerator<Uint8Array> {
  const limits = new SetLimits(format);
  for await (const chunk of source) {
    limits.add(chunk);
    yield chunk;
  }
  limits.end();
}

/** A nanosecond a byte. */
class SetLimits {
  /** Non-blank lines that are not rows. */
  readonly #headers: number;
  readonly #isCsv: boolean;
  #lines = 0;
  #records = 0;
  /** Bytes of the incomplete line, without carriage returns. */
  #lineBytes = 0;
  /** Line breaks in quotes end no row, so lines are no bound of the rows from here on: the thread that reads them counts exactly. */
  #hasQuotes = false;

  constructor(format: SetFormat) {
    this.#isCsv = format === 'csv';
    this.#headers = this.#isCsv ? 1 : 0;
  }

  add(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (byte === newline) this.#endLine();
      else if (byte !== carriageReturn) {
        this.#lineBytes++;
        if (byte === quote) this.#hasQuotes = this.#isCsv;
      }
    }
    if (this.#lineBytes > rowBytesMax)
      throw new PlatformError('too_large', `line ${this.#lines + 1} is too long: expected at most ${rowBytesMax} bytes, got more`);
  }

  /** The last line may have no line break. */
  end(): void {
    if (this.#lineBytes > 0) this.#endLine();
  }

  #endLine(): void {
    if (++this.#lines > linesMax)
      throw invalid(`expected at most ${linesMax} lines, got more: remove the blank ones, or use a sample of the rows`);
    if (this.#lineBytes > 0 && ++this.#records - this.#headers > setRowsMax && !this.#hasQuotes) throw tooManySetRows();
    this.#lineBytes = 0;
  }
}

/** The error for a set of more rows than one may have. */
export function tooManySetRows(): PlatformError {
  return invalid(`expected at most ${setRowsMax} rows, got more: use a sample of them`);
}

function invalid(message: string): PlatformError {
  return new PlatformError('invalid_request', message);
}
