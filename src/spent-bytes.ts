/**
 * Gives the memory of bytes back at once that have been copied elsewhere, instead of when garbage is next collected: V8 collects all of its
 * heap whenever some tens of megabytes lie outside it, which large requests make several times a second (ADR 17).
 *
 * Only for who alone holds the chunk, and views of it; where its memory holds more than the chunk, nothing happens. The chunk is empty then.
 */
export function giveBack(chunk: Buffer): void {
  const memory = chunk.buffer;
  if (memory instanceof ArrayBuffer && memory.byteLength === chunk.length && !memory.detached) memory.transfer(0);
}
