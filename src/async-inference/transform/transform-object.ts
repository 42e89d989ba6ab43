/** One object through the model: read, cut, run several at once, and written in the order in which it was read. */
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { npyFile, npyHead } from '../../codecs/index.ts';
import { messageOf, PlatformError } from '../../errors.ts';
import { datatypes, elementCount } from '../../tensor.ts';
import { type Block, blocksOf, startOfObject } from './line-blocks.ts';
import { ProcessRecords } from './process-records.ts';
import { type BadRecord, type BlockResult, ObjectSpoilt } from './run-records.ts';
import { TensorRecords, withoutHeader } from './tensor-records.ts';
import type { ObjectForm } from './transform-job.ts';
import type { Checkpoint, OpenedSource, ResultPiece, TransformInput } from './transform-places.ts';

/** So many more than invocations: one is being read, one written, one waits for its turn. */
const besides = 3;

export interface ObjectPlan {
  readonly form: ObjectForm;
  readonly records: TensorRecords | ProcessRecords;
  /** Of an invocation. */
  readonly recordsMax: number;
  readonly payloadBytesMax: number;
  /** Invocations under way. */
  readonly width: number;
  readonly signal: AbortSignal;
  /** So many bytes more were read, of the object as it lies there. */
  readonly onRead: (bytes: number) => void;
  readonly onBad: (bad: readonly BadRecord[]) => void;
}

/** The results of an object, in its order. The source is closed whatever happens. */
export async function* resultsOf(
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
  const canGoOn = !form.isGzip;
  const hasHeader = form.format === 'csv' && records instanceof TensorRecords;
  if (from !== null && hasHeader) {
    const first = await firstBlock();
    if (first !== null) withoutHeader(records, first);
  }
  let isFirst = from === null && hasHeader;
  const blocks = spoiling(blocksOf(bytes, limits, from?.position ?? startOfObject));
  const results = inOrder(blocks, width, async (whole) => {
    const block = isFirst ? withoutHeader(records as TensorRecords, whole) : whole;
    isFirst = false;
    const result: BlockResult = block === null ? { output: '', records: 0, bad: [] } : await records.lines(block);
    return { result, position: canGoOn ? { offset: whole.endOffset, lines: whole.endLine } : null };
  });
  for await (const { result, position } of results) {
    yield pieceOf(plan, result, position);
    result.taken?.();
  }
}

async function* wholeResults(plan: ObjectPlan, bytes: AsyncIterable<Buffer>): AsyncGenerator<ResultPiece> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of bytes) {
    length += piece.length;
    if (length > plan.payloadBytesMax) {
      throw new ObjectSpoilt(`it has more than the ${plan.payloadBytesMax} bytes of one payload: split it by lines, or raise the limit`);
    }
    pieces.push(piece);
  }
  yield pieceOf(plan, await plan.records.whole(Buffer.concat(pieces)), null);
}

/** Rows of an npy file, some at a time. */
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

/** The array in files of at most `rowsMax` rows each; `rows` are those of the whole. */
async function* arraysOf(bytes: AsyncIterable<Buffer>, rowsMax: number): AsyncGenerator<{ readonly file: Buffer; readonly rows: number }> {
  let held: Buffer = Buffer.alloc(0);
  let head: ReturnType<typeof npyHead> = null;
  let left = 0;
  for await (const piece of bytes) {
    held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    if (head === null) {
      head = npyHead(held);
      if (head === null) continue;
      held = held.subarray(head.bytes);
      if (head.shape.length === 0) throw new ObjectSpoilt('the npy file holds a single number, not rows');
      left = head.shape[0] as number;
      if (left === 0) throw new ObjectSpoilt('the npy file holds no rows');
    }
    const { datatype, shape } = head;
    const [rows = 0, ...row] = shape;
    const rowBytes = elementCount(row) * (datatypes[datatype].bytes as number);
    if (rowBytes === 0) throw new ObjectSpoilt('the rows of the npy file have no elements');
    let at = 0;
    for (;;) {
      const count = Math.min(rowsMax, left);
      if (count === 0 || held.length - at < count * rowBytes) break;
      yield { file: npyFile({ datatype, shape: [count, ...row], data: held.subarray(at, at + count * rowBytes) }), rows };
      at += count * rowBytes;
      left -= count;
    }
    held = held.subarray(at);
  }
  if (head === null) throw new ObjectSpoilt('the npy file ends within its header');
  if (left > 0) throw new ObjectSpoilt('the npy file ends before its last row');
  if (held.length > 0) throw new ObjectSpoilt(`the npy file goes on for ${held.length} bytes behind its last row`);
}

/** As many under way as `width` says, and some that are read or written meanwhile; told in their order. */
async function* inOrder<Item, Result>(
  items: AsyncIterable<Item>,
  width: number,
  run: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const under: Promise<Result>[] = [];
  for await (const item of items) {
    const result = run(item);
    result.catch(() => undefined); // told in its turn
    under.push(result);
    if (under.length >= width + besides) yield await (under.shift() as Promise<Result>);
  }
  for (const result of under) yield await result;
}

function pieceOf(plan: ObjectPlan, { output, records, bad }: BlockResult, position: ResultPiece['position']): ResultPiece {
  plan.signal.throwIfAborted();
  if (bad.length > 0) plan.onBad(bad);
  return { output, records, skipped: bad.length, position };
}

/** What is wrong with the lines as such. */
async function* spoiling(blocks: AsyncIterable<Block>): AsyncGenerator<Block> {
  try {
    yield* blocks;
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'too_large') throw new ObjectSpoilt(error.message, { cause: error });
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
    if (code.startsWith('Z_')) throw new ObjectSpoilt(`it is no whole gzip file: ${messageOf(cause)}`, { cause });
    throw cause;
  } finally {
    gunzip.destroy();
  }
}

/** The first lines of an object again: whoever goes on in its middle must know its header. */
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
