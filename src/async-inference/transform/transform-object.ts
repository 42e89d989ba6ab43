/**
 * Processes one object: reads it, cuts it into blocks, runs several blocks concurrently, and returns the results in the order of the input.
 */
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { type Block, blocksOf, npyFile, npyHead, startOfObject } from '../../codecs/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { datatypes, elementCount } from '../../tensor.ts';
import { joinInSlices } from '../../threads/index.ts';
import { ProcessRecords } from './records/process-records.ts';
import { type BadRecord, type BlockResult, UnreadableObject } from './records/run-records.ts';
import { TensorRecords, withoutHeader } from './records/tensor-records.ts';
import type { Checkpoint, OpenedSource, ResultPiece, TransformInput } from './transform-io.ts';
import type { ObjectForm } from './transform-job.ts';

/** Blocks in flight beyond the invocations: one being read, one being written, one waiting. */
const extraBlocks = 3;

/** How one object is processed. */
export interface ObjectPlan {
  readonly form: ObjectForm;
  readonly records: TensorRecords | ProcessRecords;
  /** Records per invocation. */
  readonly recordsMax: number;
  readonly payloadBytesMax: number;
  /** Concurrent invocations. */
  readonly width: number;
  readonly signal: AbortSignal;
  /** Called with the number of further bytes read from the stored object. */
  readonly onRead: (bytes: number) => void;
  readonly onBad: (bad: readonly BadRecord[]) => void;
}

/** Results of an object, in input order. The source stream is always destroyed. */
export async function* objectResults(
  plan: ObjectPlan,
  input: TransformInput,
  name: string,
  source: OpenedSource,
  from: Checkpoint | null,
): AsyncGenerator<ResultPiece> {
  const stream = source.stream(from?.position.offset ?? 0);
  const counted = counting(stream, plan);
  const bytes = plan.form.isGzip ? gunzipped(counted) : counted;
  try {
    if (!plan.form.isSplit && plan.form.format !== 'npy') yield* wholeResults(plan, bytes);
    else if (!plan.form.isSplit && plan.records instanceof ProcessRecords) yield* wholeResults(plan, bytes);
    else if (plan.form.format === 'npy') yield* arrayResults(plan, plan.records as TensorRecords, bytes);
    else yield* lineResults(plan, bytes, from, () => firstLineOf(input, name, plan));
  } finally {
    stream.destroy();
  }
}

async function* lineResults(
  plan: ObjectPlan,
  bytes: AsyncIterable<Buffer>,
  from: Checkpoint | null,
  firstBlock: () => Promise<Block | null>,
): AsyncGenerator<ResultPiece> {
  const { form, records, recordsMax, payloadBytesMax, width } = plan;
  const limits = { recordsMax, bytesMax: payloadBytesMax, hasQuotes: form.format === 'csv' };
  const isResumable = !form.isGzip;
  const hasHeader = form.format === 'csv' && records instanceof TensorRecords;
  if (from !== null && hasHeader) {
    const first = await firstBlock();
    if (first !== null) withoutHeader(records, first);
  }
  let isFirst = from === null && hasHeader;
  const blocks = failingObject(blocksOf(bytes, limits, from?.position ?? startOfObject));
  const results = inOrder(blocks, width, async (whole) => {
    const block = isFirst ? withoutHeader(records as TensorRecords, whole) : whole;
    isFirst = false;
    const result: BlockResult = block === null ? { output: '', records: 0, bad: [] } : await records.lines(block);
    return { result, position: isResumable ? { offset: whole.endOffset, lines: whole.endLine } : null };
  });
  for await (const { result, position } of results) {
    yield pieceOf(plan, result, position);
    result.consumed?.();
  }
}

async function* wholeResults(plan: ObjectPlan, bytes: AsyncIterable<Buffer>): AsyncGenerator<ResultPiece> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of bytes) {
    length += piece.length;
    if (length > plan.payloadBytesMax) {
      throw new UnreadableObject(
        `the object is too large for one payload: expected at most ${plan.payloadBytesMax} bytes. Split it by lines, or raise the limit`,
      );
    }
    pieces.push(piece);
  }
  yield pieceOf(plan, await plan.records.whole(await joinInSlices(pieces)), null);
}

/** Processes an npy file in blocks of rows. */
async function* arrayResults(plan: ObjectPlan, records: TensorRecords, bytes: AsyncIterable<Buffer>): AsyncGenerator<ResultPiece> {
  let isFirst = plan.form.result === 'npy';
  yield* inOrder(arraysOf(bytes, plan.recordsMax), plan.width, async ({ file, rows }): Promise<ResultPiece> => {
    const begins = isFirst;
    isFirst = false;
    const head = begins ? await records.resultHead(file, rows) : null;
    const { output, ...result } = await records.rows(file);
    const begun = head === null ? output : Buffer.concat([head, output as Buffer]);
    return pieceOf(plan, { ...result, output: begun }, null);
  });
}

/** Splits the array into files of at most `rowsMax` rows; `rows` is the total number. */
async function* arraysOf(bytes: AsyncIterable<Buffer>, rowsMax: number): AsyncGenerator<{ readonly file: Buffer; readonly rows: number }> {
  let held: Buffer = Buffer.alloc(0);
  let head: ReturnType<typeof npyHead> = null;
  let remaining = 0;
  for await (const piece of bytes) {
    held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    if (head === null) {
      head = npyHead(held);
      if (head === null) continue;
      held = held.subarray(head.bytes);
      if (head.shape.length === 0) throw new UnreadableObject('the npy file has a single number instead of rows');
      remaining = head.shape[0] as number;
      if (remaining === 0) throw new UnreadableObject('the npy file has no rows');
    }
    const { datatype, shape } = head;
    const [rows = 0, ...row] = shape;
    const rowBytes = elementCount(row) * (datatypes[datatype].bytes as number);
    if (rowBytes === 0) throw new UnreadableObject('the rows of the npy file have no elements');
    let at = 0;
    for (;;) {
      const count = Math.min(rowsMax, remaining);
      if (count === 0 || held.length - at < count * rowBytes) break;
      yield { file: npyFile({ datatype, shape: [count, ...row], data: held.subarray(at, at + count * rowBytes) }), rows };
      at += count * rowBytes;
      remaining -= count;
    }
    held = held.subarray(at);
  }
  if (head === null) throw new UnreadableObject('the npy file ends within its header');
  if (remaining > 0) throw new UnreadableObject('the npy file ends before its last row');
  if (held.length > 0) throw new UnreadableObject(`the npy file has ${held.length} extra bytes after its last row`);
}

/** Runs up to `width` items concurrently, plus some being read or written, and yields results in order. */
async function* inOrder<Item, Result>(
  items: AsyncIterable<Item>,
  width: number,
  run: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const pending: Promise<Result>[] = [];
  for await (const item of items) {
    const result = run(item);
    result.catch(() => undefined); // reported in order below
    pending.push(result);
    if (pending.length >= width + extraBlocks) yield await (pending.shift() as Promise<Result>);
  }
  for (const result of pending) yield await result;
}

function pieceOf(plan: ObjectPlan, { output, records, bad }: BlockResult, position: ResultPiece['position']): ResultPiece {
  plan.signal.throwIfAborted();
  if (bad.length > 0) plan.onBad(bad);
  return { output, records, skipped: bad.length, position };
}

/** Turns errors of the line structure into failures of the object. */
async function* failingObject(blocks: AsyncIterable<Block>): AsyncGenerator<Block> {
  try {
    yield* blocks;
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'too_large') throw new UnreadableObject(error.message, { cause: error });
    throw error;
  }
}

async function* counting(stream: Readable, { onRead, signal }: Pick<ObjectPlan, 'onRead' | 'signal'>): AsyncGenerator<Buffer> {
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    onRead(chunk.length);
    yield chunk;
  }
}

async function* gunzipped(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  let failure: unknown = null;
  pipeline(bytes, gunzip, (error) => {
    failure ??= error ?? null;
  });
  try {
    yield* gunzip as AsyncIterable<Buffer>;
  } catch (error) {
    const cause = failure ?? error;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    if (code.startsWith('Z_')) throw new UnreadableObject(`the object is not a complete gzip file: ${messageOf(cause)}`, { cause });
    throw cause;
  } finally {
    gunzip.destroy();
  }
}

/** Reads the first line of an object again, because resuming in the middle requires the header. */
async function firstLineOf(input: TransformInput, name: string, plan: ObjectPlan): Promise<Block | null> {
  const source = await input.open(name);
  if (source === null) return null;
  const stream = source.stream(0);
  try {
    for await (const block of blocksOf(stream as AsyncIterable<Buffer>, { recordsMax: 1, bytesMax: plan.payloadBytesMax, hasQuotes: true }))
      return block;
    return null;
  } finally {
    stream.destroy();
  }
}
