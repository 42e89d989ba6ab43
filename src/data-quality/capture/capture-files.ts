/**
 * Buffers captured calls and writes them every ten seconds, or as soon as an endpoint has 4 MiB. Lines are formatted and written in small
 * steps between requests. Memory is bounded: calls that do not fit or cannot be written are dropped, counted and reported.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { type CapturedCall, captureFileName, captureFolder, captureLine } from './capture-line.ts';

/** How files are written, and the callback for gaps. */
export interface CaptureFilesOptions {
  readonly clock: Clock;
  readonly write: (target: { readonly bucket: string; readonly key: string }, chunks: AsyncIterable<Uint8Array>) => Promise<unknown>;
  /** Reports calls missing in the files of an endpoint, with the reason. */
  readonly onGap: (endpoint: string, calls: number, reason: string) => void;
  readonly onWritten?: (endpoint: string, calls: number) => void;
}

interface Batch {
  readonly endpoint: string;
  readonly bucket: string;
  readonly folder: string;
  readonly calls: CapturedCall[];
  bytes: number;
}

const everyMs = 10_000;
const fileBytes = 4 * 2 ** 20;
/** Limit for all pending calls, including those being written. */
const heldBytesMax = 32 * 2 ** 20;
/** Overhead of a call in addition to its bodies. */
const callBytes = 512;
/** Calls with longer bodies are not captured. */
const bodyBytesMax = 4 * 2 ** 20;
/** Bytes formatted before yielding to the event loop. */
const chunkBytes = 128 * 1024;

/** A kill loses the calls that were not written yet. */
export class CaptureFiles {
  readonly #options: CaptureFilesOptions;
  readonly #batches = new Map<string, Batch>();
  /** Unreported gaps by endpoint and reason: reported once per round, not once per call. */
  readonly #gaps = new Map<string, { readonly endpoint: string; readonly reason: string; calls: number }>();
  #heldBytes = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: (() => void) | null = null;

  constructor(options: CaptureFilesOptions) {
    this.#options = options;
  }

  /** Adds a call in negligible time. Its bodies must be immutable from now on. */
  add(call: CapturedCall): void {
    const inputBytes = call.capture.inputs ? call.input.body.length : 0;
    const outputBytes = call.capture.outputs ? (call.output?.body.length ?? 0) : 0;
    const bytes = inputBytes + outputBytes + callBytes;
    this.#scheduleRound();
    if (Math.max(inputBytes, outputBytes) > bodyBytesMax) return this.#miss(call.endpoint, 1, `a body exceeds ${bodyBytesMax} bytes`);
    if (this.#heldBytes + bytes > heldBytesMax) {
      return this.#miss(call.endpoint, 1, `calls arrive faster than they can be written: ${heldBytesMax} bytes are pending`);
    }
    const { bucket, folder } = captureFolder(call);
    const key = `${bucket}/${folder}`;
    let batch = this.#batches.get(key);
    if (batch === undefined) this.#batches.set(key, (batch = { endpoint: call.endpoint, bucket, folder, calls: [], bytes: 0 }));
    batch.calls.push(call);
    batch.bytes += bytes;
    this.#heldBytes += bytes;
    if (batch.bytes >= fileBytes) void this.#writeLater(key, batch);
  }

  /** Writes all pending calls. Never rejects. */
  async flush(): Promise<void> {
    for (const [key, batch] of this.#batches) void this.#writeLater(key, batch);
    await this.#turn;
    for (const { endpoint, calls, reason } of this.#gaps.values()) this.#options.onGap(endpoint, calls, reason);
    this.#gaps.clear();
  }

  async close(): Promise<void> {
    this.#cancelTimer?.();
    await this.flush();
    this.#cancelTimer?.();
  }

  #writeLater(key: string, batch: Batch): Promise<void> {
    this.#batches.delete(key);
    const done = this.#turn.then(() => this.#write(batch));
    this.#turn = done;
    return done;
  }

  async #write(batch: Batch): Promise<void> {
    const { endpoint, bucket, folder, calls } = batch;
    const [first] = calls as [CapturedCall];
    try {
      const key = `${folder}/${captureFileName(first.atMs, randomUUID())}`;
      await this.#options.write({ bucket, key }, this.#linesOf(calls));
      this.#options.onWritten?.(endpoint, calls.length);
    } catch (error) {
      this.#miss(endpoint, calls.length, messageOf(error));
    } finally {
      this.#heldBytes -= batch.bytes;
    }
  }

  async *#linesOf(calls: readonly CapturedCall[]): AsyncGenerator<Uint8Array> {
    let [text, bytes] = ['', 0];
    for (const call of calls) {
      const line = captureLine(call);
      text += line;
      bytes += line.length;
      if (bytes < chunkBytes) continue;
      yield Buffer.from(text);
      [text, bytes] = ['', 0];
      await new Promise<void>((resolve) => this.#options.clock.after(0, resolve));
    }
    if (text !== '') yield Buffer.from(text);
  }

  #miss(endpoint: string, calls: number, reason: string): void {
    const key = `${endpoint} ${reason}`;
    const gap = this.#gaps.get(key);
    if (gap === undefined) this.#gaps.set(key, { endpoint, reason, calls });
    else gap.calls += calls;
    this.#scheduleRound();
  }

  /** Schedules the next round while anything is pending. */
  #scheduleRound(): void {
    this.#cancelTimer ??= this.#options.clock.after(everyMs, () => {
      this.#cancelTimer = null;
      void this.flush();
    });
  }
}
