/**
 * Where a block of CSV lies on its way through the model: memory that the server and the threads beside it share, used again for
 * the next block. With fresh memory for each block the garbage collector of the server was at work for half of the time.
 */
import { csvFloats, predictionsCsvBytes, predictionsCsvBytesMax } from '../../codecs/index.ts';
import type { Tensor } from '../../tensor.ts';

/** Reads `bytes` into `into` as `csvFloats`: done is whether it is that plain. */
interface ReadOrder {
  readonly kind: 'read';
  readonly bytes: Uint8Array;
  readonly width: number;
  readonly rows: number;
  readonly into: Float32Array;
}

/** Writes `outputs` as lines: into `into`, done is how many bytes that are, or where that is null into memory of its own. */
interface WriteOrder {
  readonly kind: 'write';
  readonly outputs: readonly Tensor[];
  readonly rows: number;
  readonly into: Uint8Array | null;
}

export type CsvOrder = ReadOrder | WriteOrder;
export type CsvDone = boolean | number | Uint8Array;

/** Less is done at once: it takes a tenth of a millisecond, and handing it over takes as long. */
const handedOverBytesMin = 64 * 1024;

export class CsvDesk {
  readonly #ask: (order: CsvOrder) => Promise<CsvDone>;
  readonly #cleared: (desk: CsvDesk) => void;
  readonly #text = new SharedBytes();
  readonly #values = new SharedBytes();
  readonly #outputs = new SharedBytes();
  readonly #lines = new SharedBytes();

  /** `cleared` is told when it may be given to the next. */
  constructor(ask: (order: CsvOrder) => Promise<CsvDone>, cleared: (desk: CsvDesk) => void) {
    this.#ask = ask;
    this.#cleared = cleared;
  }

  /** As `csvFloats`; the bytes are not needed any more once this returns. Rejects with `unavailable` where the threads have ended. */
  async read(bytes: Uint8Array, width: number, rows: number): Promise<Float32Array | null> {
    if (bytes.length < handedOverBytesMin) return csvFloats(bytes, width, rows);
    const text = new Uint8Array(this.#text.room(bytes.length), 0, bytes.length);
    text.set(bytes);
    const into = new Float32Array(this.#values.room(4 * rows * width), 0, rows * width);
    return (await this.#ask({ kind: 'read', bytes: text, width, rows, into })) === true ? into : null;
  }

  /** As `predictionsCsvBytes`, and as long as nobody clears the desk. Rejects with `unavailable` where the threads have ended. */
  async write(outputs: readonly Tensor[], rows: number): Promise<Buffer> {
    if (outputs.reduce((sum, { data }) => sum + data.length, 0) < handedOverBytesMin) return predictionsCsvBytes(outputs, rows);
    const bytesMax = predictionsCsvBytesMax(outputs, rows);
    const into = bytesMax === null ? null : new Uint8Array(this.#lines.room(bytesMax), 0, bytesMax);
    const done = await this.#ask({ kind: 'write', outputs: this.#laidOut(outputs), rows, into });
    if (done instanceof Uint8Array) return Buffer.from(done.buffer, done.byteOffset, done.byteLength);
    return Buffer.from((into as Uint8Array).buffer, 0, done as number);
  }

  clear(): void {
    this.#cleared(this);
  }

  /** One behind the other, each where its elements are aligned. */
  #laidOut(outputs: readonly Tensor[]): Tensor[] {
    const memory = this.#outputs.room(outputs.reduce((sum, { data }) => sum + aligned(data.length), 0));
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

/** Shared memory that grows with what is asked of it. */
class SharedBytes {
  #memory = new SharedArrayBuffer(0);

  /** At least so many bytes, with anything in them. Blocks differ a little: some room more saves the next its growth. */
  room(bytes: number): SharedArrayBuffer {
    if (this.#memory.byteLength < bytes) this.#memory = new SharedArrayBuffer(Math.ceil((bytes * 5) / 32) * 8);
    return this.#memory;
  }
}
