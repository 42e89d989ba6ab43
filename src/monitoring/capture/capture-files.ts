/**
 * Keeps captured calls until they are written: every ten seconds, or as soon as 4 MiB of an endpoint's have come. Lines are made and
 * written while requests go on being served, a little at a time. Memory is bounded: what there is no room for, or no disk, is dropped,
 * counted, and told.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { type CapturedCall, captureFileName, captureFolder, captureLine } from './capture-line.ts';

export interface CaptureFilesOptions {
  readonly clock: Clock;
  readonly write: (place: { readonly bucket: string; readonly key: string }, chunks: AsyncIterable<Uint8Array>) => Promise<unknown>;
  /** So many calls of an endpoint are missing in its files, and why. */
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
/** Of all that waits or is being written. */
const heldBytesMax = 32 * 2 ** 20;
/** A call costs this beside its bodies. */
const callBytes = 512;
/** A longer body than this is no sample. */
const bodyBytesMax = 4 * 2 ** 20;
/** So much is made into lines before others have their turn. */
const chunkBytes = 128 * 1024;

export class CaptureFiles {
  readonly #options: CaptureFilesOptions;
  readonly #batches = new Map<string, Batch>();
  /** Gaps that were not told yet, by endpoint and reason: they are told once a round, not once a call. */
  readonly #gaps = new Map<string, { readonly endpoint: string; readonly reason: string; calls: number }>();
  #heldBytes = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #cancelTimer: (() => void) | null = null;

  constructor(options: CaptureFilesOptions) {
    this.#options = options;
  }

  /** Takes no time worth mention. Bodies must not change any more. */
  add(call: CapturedCall): void {
    const inputBytes = call.capture.inputs ? call.input.body.length : 0;
    const outputBytes = call.capture.outputs ? (call.output?.body.length ?? 0) : 0;
    const bytes = inputBytes + outputBytes + callBytes;
    this.#roundLater();
    if (Math.max(inputBytes, outputBytes) > bodyBytesMax)
      return this.#miss(call.endpoint, 1, `a body is longer than ${bodyBytesMax} bytes`);
    if (this.#heldBytes + bytes > heldBytesMax) {
      return this.#miss(call.endpoint, 1, `more came than can be written: ${heldBytesMax} bytes wait`);
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

  /** Writes what has come by now. Never rejects. */
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
    this.#roundLater();
  }

  /** While anything is to be written or told there is a round to come. */
  #roundLater(): void {
    this.#cancelTimer ??= this.#options.clock.after(everyMs, () => {
      this.#cancelTimer = null;
      void this.flush();
    });
  }
}
