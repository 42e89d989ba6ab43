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

/** A smaller body costs more to give back than it takes. */
const largeBytes = 64 * 1024;

/** What came of a body and is of use yet. */
interface Decoded {
  readonly inputs: readonly { readonly data: Uint8Array }[];
}

const nothing: readonly Decoded[] = [];

/** Gives back a large body that was read to its end: where what came of it has memory of its own. Where a tensor is a view of it, nothing happens. */
export function giveBackBody(body: Buffer, decoded: readonly Decoded[] = nothing): void {
  if (body.length <= largeBytes) return;
  if (decoded.every(({ inputs }) => inputs.every(({ data }) => data.buffer !== body.buffer))) giveBack(body);
}
