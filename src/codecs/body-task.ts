/**
 * Decoders as tasks: a small body is decoded in place, a large one in a thread. The memory of the body moves to the thread and back, so a
 * body is never copied, and tensors can be views of it in either case.
 */
import type { Datatype, Signature } from '../tensor.ts';
import { type Threads, type ThreadTask, threadTask } from '../threads/index.ts';

interface WithBody {
  readonly body: Buffer;
}

interface Decoding<Decoded> {
  readonly decoded: Decoded;
  readonly body: Uint8Array;
}

/** A decoder of bodies, in place or in a thread. */
export interface BodyTask<Input extends WithBody, Decoded> extends ThreadTask<Input, Decoding<Decoded>> {
  /** Rejects, in a fraction of the time, what the task would reject. */
  readonly check: ThreadTask<Input, Decoding<void>> | null;
}

/** Larger bodies are checked before they wait for a thread that decodes. */
const checkedFirstBytes = 4 * 2 ** 20;

/** Must be exported from `module` under `name`, and `check` under its own. `tensorsOf` returns the bytes of the decoded result. */
export function bodyTask<Input extends WithBody, Decoded>(
  module: string,
  name: string,
  decode: (input: Input) => Decoded,
  tensorsOf: (decoded: Decoded) => Iterable<Uint8Array>,
  check: ThreadTask<Input, Decoding<void>> | null = null,
): BodyTask<Input, Decoded> {
  const run = (input: Input): Decoding<Decoded> => {
    // Structured cloning turns a Buffer into a plain array.
    const body = asBuffer(input.body);
    return { decoded: decode({ ...input, body }), body };
  };
  return { ...threadTask(module, name, run, ({ decoded, body }) => [body, ...tensorsOf(decoded)]), check };
}

/** Decodes in a thread. Afterwards `input.body` is empty, and the result contains the body. */
export async function decodeInThread<Input extends WithBody, Decoded>(
  threads: Threads,
  task: BodyTask<Input, Decoded>,
  input: Input,
  isWanted: () => boolean,
): Promise<{ readonly decoded: Decoded; readonly body: Buffer }> {
  let own = owned(input.body);
  if (task.check !== null && own.length > checkedFirstBytes) {
    const checked = await threads.run(task.check, { ...input, body: own }, { bytes: own.length, moved: [own], isWanted, isQuick: true });
    own = asBuffer(checked.body);
  }
  const { decoded, body } = await threads.run(task, { ...input, body: own }, { bytes: own.length, moved: [own], isWanted });
  return { decoded, body: asBuffer(body) };
}

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** Only a whole buffer can move: a body that is part of a larger buffer is copied first. */
function owned(body: Buffer): Buffer {
  if (body.buffer.byteLength === body.length) return body;
  const copy = Buffer.allocUnsafeSlow(body.length);
  body.copy(copy);
  return copy;
}

/** Numbers in a text of this size are decoded in at most three milliseconds. A message to a thread takes some tenths of a millisecond. */
export const inPlaceBytesMax = 32 * 1024;
/**
 * The limit if decoding costs more. Integers beyond 2^53 require a second parse, 35 times as slow; each string is encoded separately; and
 * without a row dimension each row becomes a request.
 */
const inPlaceCostlyBytesMax = 8 * 1024;

const costlyDatatypes: readonly Datatype[] = ['INT64', 'UINT64', 'BYTES'];

/** Whether a text of JSON or CSV is short enough to be decoded in place. */
export function isShortText(signature: Signature, bytes: number): boolean {
  if (bytes <= inPlaceCostlyBytesMax) return true;
  return (
    bytes <= inPlaceBytesMax && signature.inputs.every(({ datatype, shape }) => shape[0] === -1 && !costlyDatatypes.includes(datatype))
  );
}

/** Whether raw tensors of this size are decoded in place. Numbers always are, as views; strings and booleans are checked one by one. */
export function isShortBinary(signature: Signature, bytes: number): boolean {
  return bytes <= inPlaceBytesMax || !signature.inputs.some(({ datatype }) => datatype === 'BYTES' || datatype === 'BOOL');
}
