/**
 * Frees the memory of copied bytes immediately instead of at the next garbage collection. V8 collects its whole heap each time some tens of
 * megabytes outside of the heap are in use. Large requests would cause that several times a second (ADR 17). The caller must be the only
 * owner of the chunk and its views; afterwards the chunk is empty. Does nothing if the underlying memory holds more than the chunk.
 */
export function releaseMemory(chunk: Buffer): void {
  const memory = chunk.buffer;
  if (memory instanceof ArrayBuffer && memory.byteLength === chunk.length && !memory.detached) memory.transfer(0);
}

/** Smaller bodies are not freed, because that would cost more than it gains. */
const largeBytes = 64 * 1024;

/** Data that was decoded from a body and is still in use. */
interface Decoded {
  readonly inputs: readonly { readonly data: Uint8Array }[];
}

const nothing: readonly Decoded[] = [];

/** Frees the memory of large results that are no longer used, if they are all that it holds but for their frame. */
export function releaseResultMemory(data: readonly Uint8Array[]): void {
  const memory = data[0]?.buffer;
  const bytes = data.reduce((sum, { length }) => sum + length, 0);
  if (!(memory instanceof ArrayBuffer) || bytes <= chunkBytesMax || data.some(({ buffer }) => buffer !== memory)) return;
  if (memory.byteLength - bytes <= frameBytesMax && !memory.detached) memory.transfer(0);
}

/** What a socket reads at once may hold other frames, too. */
const chunkBytesMax = 64 * 1024;
/** Head, names and shapes. */
const frameBytesMax = 4096;

/** Frees a large decoded body, unless a tensor is a view of it. */
export function releaseBodyMemory(body: Buffer, decoded: readonly Decoded[] = nothing): void {
  if (body.length <= largeBytes) return;
  if (decoded.every(({ inputs }) => inputs.every(({ data }) => data.buffer !== body.buffer))) releaseMemory(body);
}
