/**
 * Lines of requests that differ in few places from the one before: the form is kept as bytes, the numbers that have changed are overwritten, and all
 * of it is copied. Put together anew, a line takes several times as long.
 */
import type { LineBytes } from './line-bytes.ts';
import { formatRequestLine, type RequestLine } from './request-line.ts';

/** In thousandths, and whole: beyond, a line is put together anew. */
const numberMax = 999_999_999;
const atWidth = 13;
const [zero, point] = [48, 46];
/** Numbers may be so much longer, all together, than those with which a form begins. */
const spareBytes = 256;

const wholes = ['rows', 'batchRows', 'rowsAhead', 'batchRequests'] as const;
const times = ['queueMs', 'computeMs', 'encodeMs', 'totalMs', 'batchWaitMs'] as const;
const numbers = [...times, ...wholes, 'costUsd'] as const;
/** A number's place in a form's lists: by it a number is found several times as fast as by its name. */
const places = Object.fromEntries(numbers.map((name, place) => [name, place])) as Readonly<Record<(typeof numbers)[number], number>>;
const { queueMs, computeMs, encodeMs, totalMs, batchWaitMs, rows, batchRows, rowsAhead, batchRequests, costUsd } = places;

/** Forms of one endpoint at a time; more than a server has variants, versions and reasons at once. */
const formsMax = 64;
const endpointsMax = 2000;

export class RequestForms {
  readonly #forms = new Map<string, RequestForm[]>();

  /** Adds a line: the one that `formatRequestLine` gives. */
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
  /** Up to the id's first character. */
  readonly #head: Uint8Array;
  /** From the id's last character on, with room to grow, and what of it is in use. */
  readonly #tail: Uint8Array;
  #used: Uint8Array;
  /** Of each number: where it begins in the tail, and how long it is. */
  readonly #starts: Int32Array;
  readonly #widths = new Int32Array(numbers.length).fill(1);
  #atMs = Number.NaN;
  /** What the form says, in thousandths where it is a time; at first nothing that is equal to any number. */
  readonly #said = new Float64Array(numbers.length).fill(Number.NaN);

  /** `line` gives the texts. What a line is like is known to `formatRequestLine` alone: the form is one of its lines, with zeros for the numbers. */
  constructor(line: RequestLine) {
    this.#line = line;
    const mark = 'id';
    const zeros = Object.fromEntries(numbers.map((name) => [name, 0]));
    const text = formatRequestLine({ ...line, ...zeros, atMs: 10 ** (atWidth - 1), requestId: mark });
    const idStart = text.indexOf(`"request":"${mark}"`) + '"request":"'.length;
    const bytes = new TextEncoder().encode(text);
    this.#head = bytes.slice(0, idStart); // all before the id is ASCII
    const used = bytes.subarray(idStart + mark.length);
    this.#tail = new Uint8Array(used.length + spareBytes);
    this.#tail.set(used);
    this.#used = this.#tail.subarray(0, used.length);
    // No text can look like a name: a quote within a text has a backslash before it.
    const tail = Buffer.from(used).toString('latin1');
    this.#starts = Int32Array.from(numbers, (name) => tail.indexOf(`,"${name}":`) + `,"${name}":`.length);
  }

  isOf({ variant, version, closeReason, executor }: RequestLine): boolean {
    const own = this.#line;
    return own.closeReason === closeReason && own.executor === executor && own.variant === variant && own.version === version;
  }

  /** False, and nothing is added, where a number is none of a form's or the id is none of plain ASCII. */
  put(to: LineBytes, line: RequestLine): boolean {
    const isSaid =
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
    return isSaid && to.addAround(this.#head, line.requestId, this.#used);
  }

  #time(place: number, ms: number): boolean {
    const thousandths = Math.round(ms * 1000);
    if (thousandths === this.#said[place]) return true;
    if (!(thousandths >= 0 && thousandths <= numberMax)) return false;
    this.#say(place, thousandths, writeThousandths(thousandths));
    return true;
  }

  #whole(place: number, value: number): boolean {
    if (value === this.#said[place]) return true;
    if (!(value >= 0 && value <= numberMax && Number.isInteger(value))) return false;
    this.#say(place, value, writeDigits(value, written.length));
    return true;
  }

  /** Of those who rode in one batch most cost the same. */
  #cost(usd: number): boolean {
    if (usd === this.#said[costUsd]) return true;
    if (!Number.isFinite(usd)) return false;
    const text = usd === 0 ? '0' : usd.toPrecision(4);
    const start = written.length - text.length;
    for (let i = 0; i < text.length; i++) written[start + i] = text.charCodeAt(i);
    this.#say(costUsd, usd, start);
    return true;
  }

  /** A time of these centuries, to the millisecond. */
  #at(ms: number): boolean {
    if (ms === this.#atMs) return true;
    if (!(Number.isInteger(ms) && ms >= 1e12 && ms < 1e13)) return false;
    this.#atMs = ms;
    const start = '{"at":'.length;
    const millions = Math.floor(ms / 1e6);
    let [high, low] = [millions, ms - millions * 1e6];
    for (let at = start + atWidth - 1; at >= start + atWidth - 6; at--) low = putDigit(this.#head, at, low);
    for (let at = start + atWidth - 7; at >= start; at--) high = putDigit(this.#head, at, high);
    return true;
  }

  /** What is written from `from` on stands for this number from now on. */
  #say(place: number, value: number, from: number): void {
    this.#said[place] = value;
    const width = written.length - from;
    if (width !== this.#widths[place]) this.#widen(place, width);
    const start = this.#starts[place] as number;
    for (let i = 0; i < width; i++) this.#tail[start + i] = written[from + i] as number;
  }

  /** Moves all that is behind it. */
  #widen(place: number, width: number): void {
    const [start, before] = [this.#starts[place] as number, this.#widths[place] as number];
    const by = width - before;
    const { length } = this.#used;
    this.#tail.copyWithin(start + width, start + before, length);
    this.#used = this.#tail.subarray(0, length + by);
    this.#widths[place] = width;
    for (let other = 0; other < this.#starts.length; other++) {
      if ((this.#starts[other] as number) > start) this.#starts[other] = (this.#starts[other] as number) + by;
    }
  }
}

/** The number that is being said, at its end. */
const written = new Uint8Array(24);

/** Puts the last digit there; what is left of the number. 0 <= value < 2^31. */
function putDigit(bytes: Uint8Array, at: number, value: number): number {
  const rest = (value / 10) | 0;
  bytes[at] = zero + value - rest * 10;
  return rest;
}

/** Up to `end`; where it begins. */
function writeDigits(value: number, end: number): number {
  let [rest, at] = [value, end];
  do rest = putDigit(written, --at, rest);
  while (rest > 0);
  return at;
}

/** 1200 as `1.2`, 7000 as `7`; where it begins. */
function writeThousandths(value: number): number {
  const whole = (value / 1000) | 0;
  let fraction = value - whole * 1000;
  if (fraction === 0) return writeDigits(whole, written.length);
  let digits = 3;
  while (fraction % 10 === 0) {
    fraction /= 10;
    digits--;
  }
  let at = written.length;
  for (; digits > 0; digits--) fraction = putDigit(written, --at, fraction);
  written[--at] = point;
  return writeDigits(whole, at);
}
