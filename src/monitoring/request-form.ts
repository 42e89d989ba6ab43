/**
 * Lines of requests that differ in few places from the one before: the form is kept as bytes, the numbers that have changed are overwritten, and all
 * of it is copied. Put together anew, a line takes five times as long. Numbers have a fixed width for that, filled up with blanks, which
 * JSON allows before a value.
 */
import type { LineBytes } from './line-bytes.ts';
import { formatRequestLine, type RequestLine } from './request-line.ts';

/** Thousandths up to 9,999.999, and whole numbers up to 99,999: beyond, a line is put together anew. */
const thousandthsWidth = 8;
const thousandthsMax = 9_999_999;
const wholeWidth = 5;
const wholeMax = 99_999;
/** `0.000001234` is the longest of a request's receipts. */
const usdWidth = 11;
const atWidth = 13;
const [zero, blank, point] = [48, 32, 46];

const wholes = ['rows', 'batchRows', 'rowsAhead', 'batchRequests'] as const;
const times = ['queueMs', 'computeMs', 'encodeMs', 'totalMs', 'batchWaitMs'] as const;
const numbers = [...times, ...wholes];
/** A number's place in a form's lists: by it a number is found several times as fast as by its name. */
const places = Object.fromEntries(numbers.map((name, place) => [name, place])) as Readonly<Record<(typeof numbers)[number], number>>;
const { queueMs, computeMs, encodeMs, totalMs, batchWaitMs, rows, batchRows, rowsAhead, batchRequests } = places;

/** Forms of one endpoint at a time; more than a server has variants, versions and reasons at once. */
const formsMax = 64;
const endpointsMax = 2000;

export class RequestForms {
  readonly #forms = new Map<string, RequestForm[]>();

  /** Adds a line. */
  put(to: LineBytes, line: RequestLine): void {
    if (!isUsual(line) || !this.#formOf(line).put(to, line)) to.add(formatRequestLine(line));
  }

  #formOf(line: RequestLine): RequestForm {
    let forms = this.#forms.get(line.endpoint);
    if (forms === undefined) {
      if (this.#forms.size >= endpointsMax) this.#forms.clear();
      this.#forms.set(line.endpoint, (forms = []));
    }
    for (const form of forms) if (form.isOf(line)) return form;
    if (forms.length >= formsMax) forms.length = 0;
    const form = new RequestForm(line);
    forms.push(form);
    return form;
  }
}

/** Of most requests: one that was answered as a whole, with nothing unusual to tell. */
function isUsual({ status, parts, overflow, coldStart, error, batchRequests, batchWaitMs, rowsAhead }: RequestLine): boolean {
  const hasAll = batchRequests !== undefined && batchWaitMs !== undefined && rowsAhead !== undefined;
  return hasAll && status === 'ok' && parts === undefined && typeof overflow !== 'string' && coldStart !== true && error === undefined;
}

class RequestForm {
  readonly #line: RequestLine;
  /** Up to the id's first character, and from its last one on. */
  readonly #head: Uint8Array;
  readonly #tail: Uint8Array;
  /** Of each number: where it ends in the tail. */
  readonly #ends: Int32Array;
  readonly #usdEnd: number;
  #atMs = Number.NaN;
  #usd = Number.NaN;
  /** What the form says, in thousandths where it is a time; at first nothing that is equal to any number. */
  readonly #said = new Float64Array(numbers.length).fill(Number.NaN);

  /** `line` gives the texts. What a line is like is known to `formatRequestLine` alone: the form is one of its lines with room for the numbers. */
  constructor(line: RequestLine) {
    this.#line = line;
    const mark = 'id';
    const zeros = Object.fromEntries(numbers.map((name) => [name, 0]));
    let text = formatRequestLine({ ...line, ...zeros, atMs: 0, costUsd: 0, requestId: mark });
    // No text can look like one of these: a quote within a text has a backslash before it.
    const widen = (name: string, width: number): void => {
      text = text.replace(`"${name}":0`, `"${name}":${'0'.padStart(width)}`);
    };
    widen('at', atWidth);
    for (const name of wholes) widen(name, wholeWidth);
    for (const name of times) widen(name, thousandthsWidth);
    widen('costUsd', usdWidth);
    const idStart = text.indexOf(`"request":"${mark}"`) + '"request":"'.length;
    const bytes = new TextEncoder().encode(text);
    // All before the id is ASCII.
    this.#head = bytes.slice(0, idStart);
    this.#tail = bytes.slice(idStart + mark.length);
    const tail = Buffer.from(this.#tail).toString('latin1');
    const endOf = (name: string, width: number): number => tail.indexOf(`,"${name}":`) + `,"${name}":`.length + width;
    const widthOf = (name: string): number => (wholes.some((whole) => whole === name) ? wholeWidth : thousandthsWidth);
    this.#ends = Int32Array.from(numbers, (name) => endOf(name, widthOf(name)));
    this.#usdEnd = endOf('costUsd', usdWidth);
  }

  isOf({ variant, version, closeReason, executor }: RequestLine): boolean {
    const own = this.#line;
    return own.closeReason === closeReason && own.executor === executor && own.variant === variant && own.version === version;
  }

  /** False, and nothing is added, where a number has no room or the id is none of plain ASCII. */
  put(to: LineBytes, line: RequestLine): boolean {
    const hasRoom =
      this.#time(queueMs, line.queueMs) &&
      this.#time(computeMs, line.computeMs) &&
      this.#time(encodeMs, line.encodeMs) &&
      this.#time(totalMs, line.totalMs) &&
      this.#time(batchWaitMs, line.batchWaitMs as number) &&
      this.#whole(rows, line.rows) &&
      this.#whole(batchRows, line.batchRows) &&
      this.#whole(rowsAhead, line.rowsAhead as number) &&
      this.#whole(batchRequests, line.batchRequests as number) &&
      this.#cost(line.costUsd) &&
      this.#at(line.atMs);
    return hasRoom && to.addAround(this.#head, line.requestId, this.#tail);
  }

  #time(place: number, ms: number): boolean {
    const thousandths = Math.round(ms * 1000);
    if (thousandths === this.#said[place]) return true;
    if (!(thousandths >= 0 && thousandths <= thousandthsMax)) return false;
    this.#said[place] = thousandths;
    putThousandths(this.#tail, this.#ends[place] as number, thousandths);
    return true;
  }

  #whole(place: number, value: number): boolean {
    if (value === this.#said[place]) return true;
    if (!(value >= 0 && value <= wholeMax && Number.isInteger(value))) return false;
    this.#said[place] = value;
    putDigits(this.#tail, this.#ends[place] as number, value, wholeWidth, blank);
    return true;
  }

  /** Of those who rode in one batch most cost the same. */
  #cost(usd: number): boolean {
    if (usd === this.#usd) return true;
    const text = usd === 0 ? '0' : usd.toPrecision(4);
    if (!Number.isFinite(usd) || text.length > usdWidth) return false;
    this.#usd = usd;
    const start = this.#usdEnd - usdWidth;
    const blanks = usdWidth - text.length;
    for (let i = 0; i < usdWidth; i++) this.#tail[start + i] = i < blanks ? blank : text.charCodeAt(i - blanks);
    return true;
  }

  /** A time of these centuries, to the millisecond. */
  #at(ms: number): boolean {
    if (ms === this.#atMs) return true;
    if (!(Number.isInteger(ms) && ms >= 1e12 && ms < 1e13)) return false;
    this.#atMs = ms;
    const millions = Math.floor(ms / 1e6);
    const end = '{"at":'.length + atWidth;
    putDigits(this.#head, end - 6, millions, 7, zero);
    putDigits(this.#head, end, ms - millions * 1e6, 6, zero);
    return true;
  }
}

/** Right-aligned before `end`; 0 <= value < 2^31. */
function putDigits(bytes: Uint8Array, end: number, value: number, width: number, fill: number): void {
  let [rest, at] = [value, end - 1];
  do {
    const next = (rest / 10) | 0;
    bytes[at--] = zero + rest - next * 10;
    rest = next;
  } while (rest > 0);
  while (at >= end - width) bytes[at--] = fill;
}

function putThousandths(bytes: Uint8Array, end: number, value: number): void {
  const whole = (value / 1000) | 0;
  putDigits(bytes, end, value - whole * 1000, 3, zero);
  bytes[end - 4] = point;
  putDigits(bytes, end - 4, whole, thousandthsWidth - 4, blank);
}
