/**
 * Numbers from CSV and to CSV in a thread beside the server's: of a small model's transform this is most of the work, and whoever
 * calls an endpoint meanwhile should not wait for it. One thread for a transform, from its first large block to its end.
 */
import { Worker } from 'node:worker_threads';
import { csvFloats, predictionsCsvBytes } from '../../codecs/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';

export type CsvOrder =
  | { readonly id: number; readonly kind: 'read'; readonly bytes: Uint8Array; readonly width: number; readonly rows: number }
  | { readonly id: number; readonly kind: 'write'; readonly outputs: readonly Tensor[]; readonly rows: number };

export type CsvAnswer =
  | { readonly id: number; readonly result: Float32Array | Uint8Array | null }
  | { readonly id: number; readonly error: string };

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** Less is done at once: it takes a tenth of a millisecond, and handing it over takes as long. */
const handedOverBytesMin = 64 * 1024;
const ownThreadUrl = new URL(import.meta.url.endsWith('.ts') ? './csv-thread.ts' : './csv-thread.js', import.meta.url);

export class CsvBeside {
  readonly #threadUrl: URL;
  readonly #waiting = new Map<number, Waiting>();
  #thread: Worker | null = null;
  #calls = 0;
  #ended: PlatformError | null = null;

  constructor({ threadUrl = ownThreadUrl }: { readonly threadUrl?: URL } = {}) {
    this.#threadUrl = threadUrl;
  }

  /** As `csvFloats`. Rejects with `unavailable` where the thread has ended. */
  async read(bytes: Uint8Array, width: number, rows: number): Promise<Float32Array | null> {
    if (bytes.length < handedOverBytesMin) return csvFloats(bytes, width, rows);
    const own = new Uint8Array(bytes);
    return this.#ask((id) => ({ id, kind: 'read', bytes: own, width, rows }), [own.buffer]);
  }

  /** As `predictionsCsvBytes`. Rejects with `unavailable` where the thread has ended. */
  async write(outputs: readonly Tensor[], rows: number): Promise<Buffer> {
    if (outputs.reduce((sum, { data }) => sum + data.length, 0) < handedOverBytesMin) return predictionsCsvBytes(outputs, rows);
    const own = outputs.map(({ name, datatype, shape, data }) => ({ name, datatype, shape, data: new Uint8Array(data) }));
    const text = await this.#ask<Uint8Array>(
      (id) => ({ id, kind: 'write', outputs: own, rows }),
      own.map(({ data }) => data.buffer),
    );
    return Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  }

  async close(): Promise<void> {
    this.#end('the transform is over');
    await this.#thread?.terminate();
  }

  #ask<Result>(order: (id: number) => CsvOrder, handedOver: ArrayBuffer[]): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) return reject(this.#ended);
      const id = this.#calls++;
      this.#waiting.set(id, { resolve, reject });
      this.#thread ??= this.#start();
      this.#thread.postMessage(order(id), handedOver);
    });
  }

  #start(): Worker {
    const thread = new Worker(this.#threadUrl, { name: 'csv' });
    thread.on('message', (answer: CsvAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new PlatformError('internal', `CSV could not be read or written: ${answer.error}`));
      else waiting?.resolve(answer.result as never);
    });
    thread.on('error', (error) => this.#end(`the thread that reads and writes CSV ended: ${messageOf(error)}`));
    thread.on('exit', (code) => this.#end(`the thread that reads and writes CSV ended: exit code ${code}`));
    return thread;
  }

  #end(why: string): void {
    this.#ended ??= new PlatformError('unavailable', why);
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}
