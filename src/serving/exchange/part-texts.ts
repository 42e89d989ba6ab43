/**
 * The encoded results of a call, gathered until its last part has arrived. Those of many parts are bytes outside of V8's heap: strings
 * that live as long as a large call make V8's young generation grow, whose memory V8 retains (ADR 18).
 */
import { releaseMemory } from '../../buffer-release.ts';

/** Memory of this size and above returns to the system when it is released. */
const blockBytesMax = 2 ** 20;
const blockBytesMin = 4096;

/** Parts may arrive in any order; `joined` has them in that of the request. A call of one part stays a string. */
export class PartTexts {
  readonly #blocks: Buffer[] = [];
  /** Of each part: its block, where it begins, and where it ends. */
  readonly #spans: Int32Array;
  readonly #count: number;
  #stored = 0;
  #bytes = 0;
  /** The end of what is written to the last block. */
  #end = 0;
  /** The text of the only part. */
  #only = '';

  constructor(count: number) {
    this.#count = count;
    this.#spans = new Int32Array(count > 1 ? count * 3 : 0);
  }

  /** Parts arrive in any order, each once. */
  set(part: number, text: string): void {
    if (this.#count === 1) {
      this.#only = text;
      return;
    }
    const bytes = Buffer.byteLength(text);
    let block = this.#blocks.at(-1);
    if (block === undefined || block.length - this.#end < bytes) {
      // The parts of a call are about as long as each other.
      const wanted = bytes * (this.#count - this.#stored);
      block = Buffer.allocUnsafeSlow(Math.max(bytes, blockBytesMin, Math.min(wanted, blockBytesMax)));
      this.#blocks.push(block);
      this.#end = 0;
    }
    block.write(text, this.#end);
    this.#spans.set([this.#blocks.length - 1, this.#end, this.#end + bytes], part * 3);
    this.#stored += 1;
    this.#end += bytes;
    this.#bytes += bytes;
  }

  /** The parts in order between `head` and `tail`; a string if there is one. Call once, after all of them were set. */
  joined(head: string, separator: string, tail: string): string | Buffer {
    if (this.#count <= 1) return head + this.#only + tail;
    const between = Buffer.byteLength(separator) * (this.#count - 1);
    const all = Buffer.allocUnsafeSlow(Buffer.byteLength(head) + this.#bytes + between + Buffer.byteLength(tail));
    let at = all.write(head);
    for (let part = 0; part < this.#count; part++) {
      if (part > 0) at += all.write(separator, at);
      const block = this.#blocks[this.#spans[part * 3] as number] as Buffer;
      at += block.copy(all, at, this.#spans[part * 3 + 1], this.#spans[part * 3 + 2]);
    }
    all.write(tail, at);
    for (const block of this.#blocks.splice(0)) releaseMemory(block);
    return all;
  }
}
