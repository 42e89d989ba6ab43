/**
 * Gathers the pieces of a body in one buffer that grows. Pieces of 64 KiB, as they are read from a connection, come from heaps that keep
 * their memory if other pieces lie between them; the buffer is returned to the system when it is released (ADR 18).
 */
import { releaseMemory } from '../../buffer-release.ts';
import { copyInSlices } from '../../threads/index.ts';

/** Fewer bytes stay in their pieces: most bodies have one or two. */
const gatherFromBytes = 256 * 1024;
/** Memory is allocated for a multiple of the received bytes, and not used before the others arrive. */
const capacityMin = 2 ** 20;
const capacityTimes = 4;
/** From this size on the multiple is larger: to grow again, more would have to be copied at once. */
const manyBytes = 4 * 2 ** 20;
const capacityTimesOfMany = 16;

/** Pieces that are smaller on average are joined, because each costs about 500 bytes of overhead. */
const tinyPieceBytes = 4096;
/** Number of small pieces held before joining. */
const tinyPiecesMax = 32;

/** Grows by doubling, up to the limit of the body. */
export class GrowingBuffer {
  readonly #bytesMax: number;
  #pieces: Buffer[] = [];
  /** Null while there are few bytes. */
  #whole: Buffer | null = null;
  /** The last copied piece. Released when the next one arrives, or after this turn, because Node may still read it while emitting it. */
  #copied: Buffer | null = null;
  #bytes = 0;

  /** `bytesMax`: the declared length or the limit of the body; the caller adds no more than that. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The piece belongs to the buffer from now on. */
  add(piece: Buffer): void {
    const at = this.#bytes;
    this.#bytes += piece.length;
    if (this.#whole !== null) {
      if (this.#bytes > this.#whole.length) this.#grow(at, this.#whole);
      this.#copy(piece, at, this.#whole);
      return;
    }
    this.#pieces.push(piece);
    const count = this.#pieces.length;
    if (this.#bytes >= gatherFromBytes || this.#bytes * capacityTimes >= this.#bytesMax) this.#whole = this.#joined(this.#capacity);
    else if (count >= tinyPiecesMax && this.#bytes < count * tinyPieceBytes) this.#pieces.push(this.#joined(this.#bytes));
  }

  /** Passes on all bytes, in memory of exactly their size: at once, unless they have to be copied to it. Call once, as the last. */
  take(done: (all: Buffer) => void): void {
    const whole = this.#whole ?? this.#joined(this.#bytes);
    this.#whole = null;
    const last = this.#copied;
    if (last !== null) queueMicrotask(() => releaseMemory(last));
    if (whole.length === this.#bytes) return done(whole);
    void copyInSlices(whole.subarray(0, this.#bytes)).then((all) => {
      releaseMemory(whole);
      done(all);
    });
  }

  /** Releases all memory. The pieces were never handed out, and Node has finished emitting them. */
  drop(): void {
    for (const piece of this.#pieces.splice(0)) releaseMemory(piece);
    if (this.#whole !== null) releaseMemory(this.#whole);
    this.#whole = null;
  }

  get #capacity(): number {
    const times = this.#bytes > manyBytes ? capacityTimesOfMany : capacityTimes;
    return Math.min(this.#bytesMax, Math.max(capacityMin, this.#bytes * times));
  }

  #grow(bytes: number, full: Buffer): void {
    this.#whole = Buffer.allocUnsafeSlow(this.#capacity);
    full.copy(this.#whole, 0, 0, bytes);
    releaseMemory(full);
  }

  /** Copies the held pieces to the start of a buffer with `capacity` bytes. */
  #joined(capacity: number): Buffer {
    const whole = Buffer.allocUnsafeSlow(capacity);
    let end = 0;
    for (const piece of this.#pieces.splice(0)) end += this.#copy(piece, end, whole);
    return whole;
  }

  #copy(piece: Buffer, at: number, whole: Buffer): number {
    const bytes = piece.copy(whole, at);
    if (this.#copied !== null) releaseMemory(this.#copied);
    this.#copied = piece;
    return bytes;
  }
}
