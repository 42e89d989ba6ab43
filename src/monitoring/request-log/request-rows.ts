/**
 * Lines of requests that wait to be put together, as numbers and texts. Whoever answers requests has no time to put lines together: that is for another
 * thread, which gets them many at a time.
 */
import { formatRequestLine, type RequestLine } from './request-line.ts';

/** How many numbers of a line a row holds; in the order of `putRow`. */
export const rowWidth = 11;

/** Of a busy server's lines some sixty messages a second: each wakes two threads. */
const rowsMax = 512;
/** More than a server has variants, versions, executors and reasons at once. */
const formsMax = 2000;

/** In place of a form's number, of what is a line already. */
export const wholeLine = -1;

/** Lines in the order in which they came; can be sent to a thread. */
export interface Rows {
  readonly length: number;
  /** `rowWidth` of each. */
  readonly numbers: Float64Array;
  /** The request's id; or the whole line, where it is unusual. */
  readonly texts: readonly string[];
  /** The number of each one's form; or `wholeLine`. */
  readonly forms: Int32Array;
  /** Forms that come up for the first time: their numbers go on from those before. A form is a line, of which the texts count. */
  readonly newForms: readonly RequestLine[];
  /** The numbers of forms begin with 0 again. */
  readonly isAnew: boolean;
}

/** A line whose numbers are overwritten. */
export type Overwritten = { -readonly [Key in keyof RequestLine]: RequestLine[Key] };

/** Gives the line the numbers of the row that begins at `start`. */
export function readRow(row: Float64Array, start: number, line: Overwritten): void {
  line.queueMs = row[start] as number;
  line.computeMs = row[start + 1] as number;
  line.encodeMs = row[start + 2] as number;
  line.totalMs = row[start + 3] as number;
  line.batchWaitMs = row[start + 4] as number;
  line.rows = row[start + 5] as number;
  line.batchRows = row[start + 6] as number;
  line.rowsAhead = row[start + 7] as number;
  line.batchRequests = row[start + 8] as number;
  line.costUsd = row[start + 9] as number;
  line.atMs = row[start + 10] as number;
}

interface Form {
  readonly line: RequestLine;
  readonly number: number;
}

export class RequestRows {
  #length = 0;
  readonly #numbers = new Float64Array(rowsMax * rowWidth);
  readonly #texts: string[] = [];
  readonly #forms = new Int32Array(rowsMax);
  readonly #known = new Map<string, Form[]>();
  #formCount = 0;
  #last: Form | null = null;
  #newForms: RequestLine[] = [];
  #isAnew = true;

  get length(): number {
    return this.#length;
  }

  /** Keeps nothing of the line but its numbers and texts; the answer is whether there is room for no more. */
  add(line: RequestLine): boolean {
    const at = this.#length++;
    if (isUsual(line)) {
      this.#forms[at] = this.#numberOf(line);
      this.#texts[at] = line.requestId;
      putRow(this.#numbers, at * rowWidth, line);
    } else {
      this.#forms[at] = wholeLine;
      this.#texts[at] = formatRequestLine(line);
    }
    return this.#length === rowsMax;
  }

  /** Hands all of them over: `send` copies what it is given before it returns, and says whether it did; else they are gone. */
  take(send: (rows: Rows) => boolean): void {
    const length = this.#length;
    const texts = length === this.#texts.length ? this.#texts : this.#texts.slice(0, length);
    const rows = { length, numbers: this.#numbers, texts, forms: this.#forms, newForms: this.#newForms, isAnew: this.#isAnew };
    this.#length = 0;
    if (send(rows)) {
      this.#isAnew = false;
      if (this.#newForms.length > 0) this.#newForms = [];
    }
    if (this.#formCount >= formsMax) this.beginAnew();
  }

  /** Those that wait are gone, and whoever takes the next ones knows no form. */
  beginAnew(): void {
    this.#length = 0;
    this.#newForms = [];
    this.#known.clear();
    this.#last = null;
    this.#formCount = 0;
    this.#isAnew = true;
  }

  #numberOf(line: RequestLine): number {
    if (this.#last !== null && isAlike(this.#last.line, line)) return this.#last.number;
    let ofEndpoint = this.#known.get(line.endpoint);
    if (ofEndpoint === undefined) this.#known.set(line.endpoint, (ofEndpoint = []));
    let form = ofEndpoint.find((known) => isAlike(known.line, line));
    if (form === undefined) {
      form = { line: { ...line }, number: this.#formCount++ };
      ofEndpoint.push(form);
      this.#newForms.push(form.line);
    }
    this.#last = form;
    return form.number;
  }
}

/** Of most requests: one that was answered as a whole, with nothing unusual to tell. Only such a line is a row. */
function isUsual({ status, parts, overflow, coldStart, error, batchRequests, batchWaitMs, rowsAhead }: RequestLine): boolean {
  const hasAll = batchRequests !== undefined && batchWaitMs !== undefined && rowsAhead !== undefined;
  return hasAll && status === 'ok' && parts === undefined && typeof overflow !== 'string' && coldStart !== true && error === undefined;
}

/** Writes a usual line's numbers there. */
function putRow(row: Float64Array, start: number, line: RequestLine): void {
  row[start] = line.queueMs;
  row[start + 1] = line.computeMs;
  row[start + 2] = line.encodeMs;
  row[start + 3] = line.totalMs;
  row[start + 4] = line.batchWaitMs as number;
  row[start + 5] = line.rows;
  row[start + 6] = line.batchRows;
  row[start + 7] = line.rowsAhead as number;
  row[start + 8] = line.batchRequests as number;
  row[start + 9] = line.costUsd;
  row[start + 10] = line.atMs;
}

/** Whether usual lines differ by nothing but numbers and ids. */
function isAlike(a: RequestLine, b: RequestLine): boolean {
  return (
    a.endpoint === b.endpoint &&
    a.closeReason === b.closeReason &&
    a.executor === b.executor &&
    a.variant === b.variant &&
    a.version === b.version
  );
}
