/** Reads captured inputs of an endpoint between two times, from any bucket. */
import { Slices } from '../../threads/index.ts';
import { type CapturedInput, capturedInput } from './captured-input.ts';

/** A store in which captures may be. */
export interface CaptureReader {
  /** Keys with the prefix in order, after `after`; at most 1,000. */
  readonly list: (bucket: string, prefix: string, after: string | null) => Promise<readonly string[]>;
  /** Null if the object does not exist. */
  readonly read: (bucket: string, key: string) => Promise<Buffer | null>;
}

/** Captures of an endpoint between two times, epoch milliseconds. */
export interface CapturedSpan {
  readonly bucket: string;
  readonly prefix: string;
  readonly endpoint: string;
  readonly fromMs: number;
  readonly toMs: number;
}

const hourMs = 3_600_000;
/** Enough for any baseline. */
const callsMax = 10_000;
const filesMax = 10_000;
/** Bodies of this size hold at most 32 Mi values. A call has up to 4 MiB, so a number of calls does not bound them. */
const bytesMax = 32 * 2 ** 20;
/** Parsing this many bytes takes a few milliseconds. */
const bytesPerSlice = 2 ** 20;

/** Yields at most 10,000 calls, of 32 MiB together, the first ones of each file. Redacted or malformed lines are skipped. */
export async function* readCaptured(reader: CaptureReader, span: CapturedSpan): AsyncGenerator<CapturedInput> {
  const folder = [span.prefix, span.endpoint, ''].filter((part, i) => part !== '' || i === 2).join('/');
  const keys: string[] = [];
  for (let after: string | null = null; keys.length < filesMax; ) {
    const page = await reader.list(span.bucket, folder, after);
    if (page.length === 0) break;
    keys.push(...page.filter((key) => isWithin(key, folder, span)));
    after = page.at(-1) as string;
  }
  const callsPerFile = Math.max(20, Math.ceil(callsMax / Math.max(keys.length, 1)));
  const bytesPerFile = bytesMax / Math.max(keys.length, 1);
  const slices = new Slices(bytesPerSlice);
  let [calls, bytes] = [0, 0];
  for (const key of keys) {
    const [variant = ''] = key.slice(folder.length).split('/');
    const file = (await reader.read(span.bucket, key)) ?? Buffer.alloc(0);
    let [taken, takenBytes] = [0, 0];
    for (let start = 0; start < file.length; ) {
      const found = file.indexOf(0x0a, start);
      const end = found === -1 ? file.length : found;
      const line = file.toString('utf8', start, end);
      await slices.done(end - start);
      start = end + 1;
      const input = capturedInput(line, variant);
      // Times in the files are whole seconds.
      if (input === null || input.atMs < span.fromMs - 999 || input.atMs >= span.toMs) continue;
      // Before the body moves to a thread.
      takenBytes += input.body.length;
      yield input;
      if (++taken >= callsPerFile || takenBytes >= bytesPerFile) break;
    }
    calls += taken;
    bytes += takenBytes;
    if (calls >= callsMax || bytes >= bytesMax) return;
  }
}

/** Whether the hour of the key overlaps the span. */
function isWithin(key: string, folder: string, { fromMs, toMs }: CapturedSpan): boolean {
  const [, year, month, day, hour] = /^[^/]+\/(\d{4})\/(\d\d)\/(\d\d)\/(\d\d)\/[^/]+\.jsonl$/.exec(key.slice(folder.length)) ?? [];
  const atMs = Date.parse(`${year}-${month}-${day}T${hour}:00:00Z`);
  return atMs < toMs && atMs + hourMs > fromMs;
}
