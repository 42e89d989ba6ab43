/**
 * Sends and receives the frames of a host's link, at either end. Large frames are sent in parts, in turn with those of other calls, and
 * only a bounded number of bytes is handed to the socket, so that a batch of many megabytes does not hold up beats and commands.
 */
import type { Duplex } from 'node:stream';
import { releaseMemory } from '../../buffer-release.ts';
import { type Clock, every } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import { echoBit, type MeasuredLink, RoundTrips } from '../../links/index.ts';
import type { Frame } from '../../runtime/index.ts';
import { HostFrameReader } from './host-frame-reader.ts';
import { beatFrame, hostKinds, jsonFrame, partHead, partHeadBytes } from './host-frames.ts';
import { fieldsOf, numberOf } from './reports.ts';

/** Larger frames are sent in parts of this size. A multiple of 8. */
export const partBytesMax = 128 * 1024;

const beatEveryMs = 500;
/** One of this many beats is echoed, whatever else is sent. */
const measureEvery = 4;
/** The link is lost if nothing arrives for this long. */
const silenceMsMax = 1500;

/** What the end of a link does with its frames. */
export interface HostChannelDeps {
  readonly clock: Clock;
  /** Whether this end measures round trips. The other one echoes its beats. */
  readonly measures?: boolean;
  /** Of the frames that are received in parts, together. Default: what batches need. */
  readonly partialBytesMax?: number;
  /** Throws if the frame is malformed: the link ends. */
  readonly onFrame: (frame: Frame) => void;
  /** Called once. No frame follows. */
  readonly onEnd: (why: string) => void;
}

interface OutgoingFrame {
  /** Called once none of its memory is read any more. */
  readonly written: (() => void) | undefined;
  /** What is still to be sent. */
  readonly buffers: Buffer[];
  readonly frameBytes: number;
  restBytes: number;
}

/** Frames of one call arrive in the order in which they were sent. */
export class HostChannel {
  readonly #socket: Duplex;
  readonly #deps: HostChannelDeps;
  /** By call: frames that wait behind a large one. The first call is the next to send a part. */
  readonly #outgoing = new Map<number, OutgoingFrame[]>();
  readonly #reader: HostFrameReader;
  readonly #stopBeats: () => void;
  #outgoingBytes = 0;
  /** A part and its head, while large frames are sent. */
  #part: Buffer | null = null;
  #isWritingPart = false;
  #isCorked = false;
  #hasSent = false;
  #receivedAtMs: number;
  #hasEnded = false;
  readonly #trips = new RoundTrips();
  #beats = 0;

  /** `socket`: connected, introduced and paused. */
  constructor(socket: Duplex, deps: HostChannelDeps) {
    this.#socket = socket;
    this.#deps = deps;
    this.#receivedAtMs = deps.clock.nowMs();
    this.#reader = new HostFrameReader((frame) => this.#take(frame), deps.partialBytesMax);
    socket.on('data', (chunk: Buffer) => {
      this.#receivedAtMs = deps.clock.nowMs();
      try {
        if (!this.#hasEnded) this.#reader.push(chunk);
      } catch (error) {
        this.end(messageOf(error));
      }
    });
    socket.on('error', (error) => this.end(error.message));
    // A socket may be half open, so the end of a killed process does not close it.
    for (const event of ['end', 'close'] as const) socket.on(event, () => this.end('the other side closed it'));
    this.#stopBeats = every(deps.clock, beatEveryMs, () => this.#beat());
    socket.resume();
  }

  /** Bytes of large frames that wait to be sent. */
  get waitingBytes(): number {
    return this.#outgoingBytes;
  }

  /** Small frames that the socket has not written yet, in bytes. */
  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  /** Since the last byte. */
  get silentMs(): number {
    return this.#deps.clock.nowMs() - this.#receivedAtMs;
  }

  /** Null before the first echo, and of an agent of an older version. */
  get measured(): MeasuredLink | null {
    return this.#trips.measured;
  }

  /** Whether the memory of a frame of this call is still to be read. */
  isSending(call: number): boolean {
    return this.#outgoing.has(call);
  }

  /** The memory of the frame must not change while `isSending`. `written` is called once it is not read any more, if the frame is large. */
  send(call: number, frame: readonly Buffer[], written?: () => void): void {
    if (this.#hasEnded) return;
    const frameBytes = frame.reduce((sum, { length }) => sum + length, 0);
    const waiting = this.#outgoing.get(call);
    if (waiting === undefined && frameBytes <= partBytesMax) return this.#write(frame);
    const outgoing = { written, buffers: [...frame], frameBytes, restBytes: frameBytes };
    this.#outgoingBytes += frameBytes;
    if (waiting === undefined) this.#outgoing.set(call, [outgoing]);
    else waiting.push(outgoing);
    this.#sendParts();
  }

  /** Drops the frames of a call that are still to be sent whole. */
  end(why: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#stopBeats();
    this.#outgoing.clear();
    this.#reader.clear();
    // What was written before, such as a farewell, is still sent.
    this.#socket.end();
    setImmediate(() => this.#socket.destroy());
    this.#deps.onEnd(why);
  }

  /** Frames of one turn of the event loop are written together. */
  #write(buffers: readonly Buffer[]): void {
    this.#hasSent = true;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    for (const buffer of buffers) this.#socket.write(buffer);
  }

  /**
   * Each call with a large frame sends a part in turn; the next one when the socket has written it. A part is copied behind its head and
   * written alone: Node joins what it writes at once in new memory before it encrypts it, and sends nothing until all of it is encrypted.
   */
  #sendParts(): void {
    if (this.#isWritingPart || this.#hasEnded) return;
    const next = this.#outgoing.entries().next().value;
    if (next === undefined) {
      if (this.#part !== null) releaseMemory(this.#part);
      this.#part = null;
      return;
    }
    const [call, frames] = next;
    const frame = frames[0] as OutgoingFrame;
    this.#part ??= Buffer.allocUnsafeSlow(partHeadBytes + partBytesMax);
    const bytes = copyPart(frame, this.#part);
    this.#part.set(partHead(call, frame.frameBytes, bytes));
    this.#outgoing.delete(call);
    const isLast = frame.restBytes === 0;
    if (isLast) frames.shift();
    if (frames.length > 0) this.#outgoing.set(call, frames);
    this.#outgoingBytes -= bytes;
    this.#isWritingPart = true;
    this.#hasSent = true;
    this.#socket.write(this.#part.subarray(0, partHeadBytes + bytes), () => {
      this.#isWritingPart = false;
      this.#sendParts();
    });
    if (isLast) frame.written?.();
  }

  #take(frame: Frame): void {
    if (this.#hasEnded) return;
    if (frame.kind === hostKinds.beat) return this.#takeBeat(frame);
    this.#deps.onFrame(frame);
  }

  #takeBeat({ call, message }: Frame): void {
    const { clock, measures = false } = this.#deps;
    if (call === 0) return;
    if (!measures) return this.#write(jsonFrame(call + echoBit, hostKinds.beat, { wallMs: clock.wallMs() }));
    this.#trips.answered(call - echoBit, clock.nowMs(), clock.wallMs(), numberOf(fieldsOf(message)['wallMs']));
  }

  #beat(): void {
    const { clock, measures = false } = this.#deps;
    if (measures && this.#beats++ % measureEvery === 0) this.#write([beatFrame(this.#trips.begin(clock.nowMs()))]);
    else if (!this.#hasSent) this.#write([beatFrame()]);
    this.#hasSent = false;
    if (clock.nowMs() - this.#receivedAtMs <= silenceMsMax) return;
    // A process that was stopped for a while first reads what has arrived meanwhile.
    const receivedAtMs = this.#receivedAtMs;
    clock.after(0, () => {
      if (this.#receivedAtMs === receivedAtMs) this.end(`nothing arrived for ${silenceMsMax / 1000} s`);
    });
  }
}

/** Cuts the next part off a frame and copies it behind the head of `into`. Returns its length. */
function copyPart(frame: OutgoingFrame, into: Buffer): number {
  let end = partHeadBytes;
  while (end < into.length && frame.buffers.length > 0) {
    const first = frame.buffers[0] as Buffer;
    const copied = first.copy(into, end);
    if (copied === first.length) frame.buffers.shift();
    else frame.buffers[0] = first.subarray(copied);
    end += copied;
  }
  const bytes = end - partHeadBytes;
  frame.restBytes -= bytes;
  return bytes;
}
