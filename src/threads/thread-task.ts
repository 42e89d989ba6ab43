/**
 * A function that runs either in place or in a thread of a `ThreadPool`. Callers run it in place for small inputs, for which a message to
 * another thread would cost more.
 */

/** A task with the name by which a thread finds it again. */
export interface ThreadTask<Input, Output> {
  /** The module that exports the task, as `import.meta.url`. A thread imports it once. */
  readonly module: string;
  /** The name of the export. */
  readonly name: string;
  /** Input and output must survive structured cloning: plain objects, arrays, maps and typed arrays. */
  readonly run: (input: Input) => Output;
  /** Memory of the output that moves to the caller instead of being copied. */
  readonly moved: (output: Output) => readonly Uint8Array[];
}

/** The task must be exported from `module` under `name`. */
export function threadTask<Input, Output>(
  module: string,
  name: string,
  run: (input: Input) => Output,
  moved: (output: Output) => readonly Uint8Array[] = () => [],
): ThreadTask<Input, Output> {
  return { module, name, run, moved };
}

/** The distinct buffers of these bytes, in the form that `postMessage` expects. */
export function buffersOf(bytes: Iterable<Uint8Array>): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { buffer } of bytes) if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffers.add(buffer);
  return [...buffers];
}
