/**
 * Shared memory for one block of CSV between the server and its CSV threads, reused for the next block. With fresh memory per
 * block, garbage collection took half of the server's time.
 */
import { csvFloats, predictionsCsvBytes, predictionsCsvBytesMax } from '../../../codecs/index.ts';
import type { Tensor } from '../../../tensor.ts';

/** Parses `bytes` into `into` like `csvFloats`. The result is true if the text is plain numbers. */
interface ReadOrder {
  readonly kind: 'read';
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly rows: number;
  readonly into: Float32Array;
}

/** Formats `outputs` as lines into `into`; the result is the number of bytes. If `into` is null, the result is a new buffer. */
interface WriteOrder {
  readonly kind: 'write';
  readonly outputs: readonly Tensor[];
  readonly rows: number;
  readonly into: Uint8Array | null;
}

/** A request to a CSV thread. */
export type CsvRequest = ReadOrder | WriteOrder;
/** What a request returns; large results are in the shared memory. */
export type CsvThreadResult = boolean | number | Uint8Array;

/** Smaller blocks take about 0.1 ms, as long as the handover, so they are processed synchronously. */
const handedOverBytesMin = 64 * 1024;

/** Used for one block at a time. */
export class CsvQueue {
  readonly #request: (request: CsvRequest) => Promise<CsvThreadResult>;
  readonly #cleared: (queue: CsvQueue) => void;
  readonly #text = new SharedBytes();
  readonly #values = new SharedBytes();
  readonly #outputs = new SharedBytes();
  readonly #lines = new SharedBytes();

  /** `cleared` is called when the queue can be reused. */
  constructor(call: (request: CsvRequest) => Promise<CsvThreadResult>, cleared: (queue: CsvQueue) => void) {
    this.#request = call;
    this.#cleared = cleared;
  }

  /** Like `csvFloats`. The bytes are copied before this returns. Rejects with `unavailable` if the threads have ended. */
  async read(bytes: Uint8Array, width: number, rows: number): Promise<Float32Array | null> {
    if (bytes.length < handedOverBytesMin) return csvFloats(bytes, width, rows);
    const text = new Uint8Array(this.#text.available(bytes.length), 0, bytes.length);
    text.set(bytes);
    const into = new Float32Array(this.#values.available(4 * rows * width), 0, rows * width);
    return (await this.#request({ kind: 'read', bytes: text, width, rows, into })) === true ? into : null;
  }

  /** Like `predictionsCsvBytes`. The result is valid until `clear`. Rejects with `unavailable` if the threads have ended. */
  async write(outputs: readonly Tensor[], rows: number): Promise<Buffer> {
    if (outputs.reduce((sum, { data }) => sum + data.length, 0) < handedOverBytesMin) return predictionsCsvBytes(outputs, rows);
    const bytesMax = predictionsCsvBytesMax(outputs, rows);
    const into = bytesMax === null ? null : new Uint8Array(this.#lines.available(bytesMax), 0, bytesMax);
    const done = await this.#request({ kind: 'write', outputs: this.#laidOut(outputs), rows, into });
    if (done instanceof Uint8Array) return Buffer.from(done.buffer, done.byteOffset, done.byteLength);
    return Buffer.from((into as Uint8Array).buffer, 0, done as number);
  }

  clear(): void {
    this.#cleared(this);
  }

  /** Copies the tensors one after another into shared memory, aligned. */
  #laidOut(outputs: readonly Tensor[]): Tensor[] {
    const memory = this.#outputs.available(outputs.reduce((sum, { data }) => sum + aligned(data.length), 0));
    let at = 0;
    return outputs.map(({ name, datatype, shape, data }) => {
      const own = new Uint8Array(memory, at, data.length);
      own.set(data);
      at += aligned(data.length);
      return { name, datatype, shape, data: own };
    });
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/** Shared memory that grows on demand. */
class SharedBytes {
  #memory = new SharedArrayBuffer(0);

  /** At least `bytes` bytes with undefined content. Allocates 25 % more, because block sizes vary slightly. */
  available(bytes: number): SharedArrayBuffer {
    if (this.#memory.byteLength < bytes) this.#memory = new SharedArrayBuffer(Math.ceil((bytes * 5) / 32) * 8);
    return this.#memory;
  }
}
