/**
 * Splits the bytes of a host's link into frames. The bytes of a part are copied once, from what the socket has read to their place in the
 * frame: a chunk of TLS has at most 16 KiB, so a part comes in several.
 */
import { releaseMemory } from '../../buffer-release.ts';
import { type Frame, frameBytes, frameBytesMax, headBytes, malformedFrame, parseFrame } from '../../runtime/index.ts';
import { hostKinds, partBytes } from './host-frames.ts';

/** Received frames that are not parts. A report has the signature of its model. */
const wholeBytesMax = 1024 * 1024;
/** Of all frames that are received in parts, unless the link has another limit. */
const defaultPartialBytesMax = 2 * frameBytesMax;
const partialCountMax = 4096;

interface PartialFrame {
  readonly call: number;
  readonly bytes: Buffer;
  filled: number;
}

/** Of one link. Frames of one call are returned in their order. */
export class HostFrameReader {
  readonly #onFrame: (frame: Frame) => void;
  readonly #partialBytesMax: number;
  /** The head of a frame, and of a part. */
  readonly #head = Buffer.alloc(headBytes + partBytes);
  #headFilled = 0;
  /** By call: frames that are received in parts. */
  readonly #partial = new Map<number, PartialFrame>();
  #partialBytes = 0;
  /** Where the bytes that follow belong, and how many. */
  #into: PartialFrame | null = null;
  #left = 0;
  /** Whether those are a frame that is sent whole. */
  #isWhole = false;

  constructor(onFrame: (frame: Frame) => void, partialBytesMax = defaultPartialBytesMax) {
    this.#onFrame = onFrame;
    this.#partialBytesMax = partialBytesMax;
  }

  /** Takes ownership of a chunk. Throws at the first invalid frame; afterwards the link is unusable. */
  push(chunk: Buffer): void {
    let offset = 0;
    let isShared = false;
    while (offset < chunk.length) {
      if (this.#into !== null) {
        offset += this.#fill(this.#into, chunk, offset);
        continue;
      }
      const end = this.#headFilled === 0 ? wholeEnd(chunk, offset) : null;
      if (end === null) {
        offset += this.#readHead(chunk, offset);
        continue;
      }
      isShared = true;
      this.#onFrame(parseFrame(chunk.subarray(offset, end)));
      offset = end;
    }
    if (!isShared) releaseMemory(chunk);
  }

  clear(): void {
    this.#partial.clear();
  }

  /** Returns how many bytes belong to the head. */
  #readHead(chunk: Buffer, offset: number): number {
    const head = this.#head;
    const isPart = this.#headFilled >= headBytes;
    const copied = chunk.copy(head, this.#headFilled, offset, offset + (isPart ? head.length : headBytes) - this.#headFilled);
    this.#headFilled += copied;
    if (this.#headFilled === headBytes) this.#beginFrame(frameBytes(head.readUInt32LE(0), wholeBytesMax));
    else if (this.#headFilled === head.length) this.#beginPart();
    return copied;
  }

  #beginFrame(bytes: number): void {
    const head = this.#head;
    if (head[8] === hostKinds.part) {
      if (bytes < head.length) throw malformedFrame('its bytes are truncated');
      return;
    }
    const frame = { call: 0, bytes: Buffer.allocUnsafeSlow(bytes), filled: headBytes };
    head.copy(frame.bytes, 0, 0, headBytes);
    this.#expect(frame, bytes - headBytes, true);
  }

  #beginPart(): void {
    const head = this.#head;
    const call = head.readUInt32LE(4);
    const bytes = head.readUInt32LE(headBytes);
    const content = head.readUInt32LE(headBytes + 4);
    if (head.length + content !== head.readUInt32LE(0)) throw malformedFrame('a part has another length than its bytes');
    const frame = this.#partial.get(call) ?? this.#newFrame(call, bytes, content);
    if (frame.bytes.length !== bytes || frame.filled + content > bytes) throw malformedFrame('a part does not fit its frame');
    this.#expect(frame, content, false);
  }

  #newFrame(call: number, bytes: number, content: number): PartialFrame {
    const isAllowed = bytes >= headBytes && bytes >= content && bytes <= frameBytesMax && bytes % 8 === 0;
    if (!isAllowed) throw malformedFrame(`a frame in parts has ${bytes} bytes, expected at most ${frameBytesMax}`);
    this.#partialBytes += bytes;
    if (this.#partialBytes > this.#partialBytesMax || this.#partial.size >= partialCountMax)
      throw malformedFrame(`frames in parts have ${this.#partialBytes} bytes together, expected at most ${this.#partialBytesMax}`);
    // Not filled: memory that never arrives is never used.
    const frame = { call, bytes: Buffer.allocUnsafeSlow(bytes), filled: 0 };
    this.#partial.set(call, frame);
    return frame;
  }

  #expect(frame: PartialFrame, bytes: number, isWhole: boolean): void {
    this.#headFilled = 0;
    this.#into = frame;
    this.#left = bytes;
    this.#isWhole = isWhole;
    if (bytes === 0) this.#filled(frame);
  }

  /** Returns how many bytes were copied. */
  #fill(frame: PartialFrame, chunk: Buffer, offset: number): number {
    const copied = chunk.copy(frame.bytes, frame.filled, offset, offset + this.#left);
    frame.filled += copied;
    this.#left -= copied;
    if (this.#left === 0) this.#filled(frame);
    return copied;
  }

  #filled(frame: PartialFrame): void {
    this.#into = null;
    const { bytes, filled, call } = frame;
    if (filled < bytes.length) return;
    if (!this.#isWhole) {
      this.#partial.delete(call);
      this.#partialBytes -= bytes.length;
      if (bytes.readUInt32LE(0) !== bytes.length) throw malformedFrame('a frame in parts has another length than its parts');
    }
    this.#onFrame(parseFrame(bytes));
  }
}

/** The end of a frame that begins at `offset`, if it is no part and the chunk has all of it. */
function wholeEnd(chunk: Buffer, offset: number): number | null {
  if (chunk.length - offset < headBytes || chunk[offset + 8] === hostKinds.part) return null;
  const end = offset + frameBytes(chunk.readUInt32LE(offset), wholeBytesMax);
  return end <= chunk.length ? end : null;
}
