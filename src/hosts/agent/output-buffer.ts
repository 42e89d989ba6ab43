/**
 * What workers printed, and how their processes ended, while the home could not be sent it: no link, a slow one, or a home that does not
 * know the worker yet. Bounded for each worker, and for all together: the oldest is dropped first, and counted.
 */
import type { WorkerExit } from '../../records/index.ts';

/** A line or an end of a process, at a time of the monotonic clock. */
export type OutputEvent =
  | { readonly kind: 'line'; readonly line: string; readonly requestIds: readonly string[]; readonly atMs: number }
  | { readonly kind: 'exit'; readonly exit: WorkerExit | null; readonly atMs: number };

export interface BufferLimits {
  /** Of one worker. */
  readonly bytesMax: number;
  /** Of all workers. */
  readonly totalBytesMax: number;
}

const defaultLimits: BufferLimits = { bytesMax: 1024 * 1024, totalBytesMax: 64 * 1024 * 1024 };
/** Of an event, besides its texts. */
const eventBytes = 128;

interface WorkerBuffer {
  events: { readonly event: OutputEvent; readonly bytes: number }[];
  /** Index of the oldest event: those before were dropped or taken. */
  first: number;
  bytes: number;
  droppedLines: number;
  droppedExits: number;
}

export class OutputBuffer {
  readonly #limits: BufferLimits;
  readonly #workers = new Map<string, WorkerBuffer>();
  #totalBytes = 0;

  constructor(limits: BufferLimits = defaultLimits) {
    this.#limits = limits;
  }

  has(key: string): boolean {
    return this.#workers.has(key);
  }

  add(key: string, event: OutputEvent): void {
    let buffer = this.#workers.get(key);
    if (buffer === undefined) this.#workers.set(key, (buffer = { events: [], first: 0, bytes: 0, droppedLines: 0, droppedExits: 0 }));
    const bytes = sizeOf(event);
    buffer.events.push({ event, bytes });
    buffer.bytes += bytes;
    this.#totalBytes += bytes;
    const { bytesMax, totalBytesMax } = this.#limits;
    while (buffer.bytes > bytesMax || (this.#totalBytes > totalBytesMax && buffer.bytes > 0)) {
      const dropped = this.#shift(buffer);
      if (dropped?.kind === 'line') buffer.droppedLines++;
      if (dropped?.kind === 'exit') buffer.droppedExits++;
    }
  }

  /** Removes and returns the oldest event of the worker, or before it a line that says what was dropped. Null if nothing is left. */
  take(key: string, nowMs: number): OutputEvent | null {
    const buffer = this.#workers.get(key);
    if (buffer === undefined) return null;
    const { droppedLines, droppedExits } = buffer;
    if (droppedLines + droppedExits > 0) {
      [buffer.droppedLines, buffer.droppedExits] = [0, 0];
      const exits = droppedExits === 0 ? '' : ` and ${droppedExits} of its ends`;
      const lines = droppedLines === 1 ? '1 line' : `${droppedLines} lines`;
      const line = `(${lines} of this worker${exits} were dropped: its host could not send them to the home)`;
      return { kind: 'line', line, requestIds: [], atMs: buffer.events[buffer.first]?.event.atMs ?? nowMs };
    }
    const event = this.#shift(buffer);
    if (event === null) this.#workers.delete(key);
    return event;
  }

  /** The worker is stopped. */
  forget(key: string): void {
    this.#totalBytes -= this.#workers.get(key)?.bytes ?? 0;
    this.#workers.delete(key);
  }

  #shift(buffer: WorkerBuffer): OutputEvent | null {
    const oldest = buffer.events[buffer.first];
    if (oldest === undefined) return null;
    buffer.first++;
    buffer.bytes -= oldest.bytes;
    this.#totalBytes -= oldest.bytes;
    if (buffer.first > buffer.events.length / 2) {
      buffer.events = buffer.events.slice(buffer.first);
      buffer.first = 0;
    }
    return oldest.event;
  }
}

function sizeOf(event: OutputEvent): number {
  if (event.kind === 'exit') return eventBytes + JSON.stringify(event.exit).length;
  return eventBytes + event.line.length + event.requestIds.reduce((sum, id) => sum + id.length, 0);
}
