/** Joins captured inputs with their labels: by inference id, and by time because an id may be used again. */
import { Slices } from '../../threads/index.ts';
import type { CallLabels } from '../labels/label-rows.ts';
import type { Label } from '../labels/score.ts';
import { type CapturedInput, capturedInput } from './captured-input.ts';
import type { CapturedSpan, CaptureReader } from './read-captured.ts';

/** A captured call with labels. */
export interface LabelledInput extends CapturedInput {
  /** One per row. */
  readonly labels: readonly Label[];
}

const hourMs = 3_600_000;
const variantsMax = 100;
/** Files of a variant in an hour: a hundred times as many as one server writes. */
const filesMax = 36_000;
/** Parsing this many bytes takes a few milliseconds. */
const bytesPerSlice = 2 ** 20;
const joinedAtOnce = 200;

/**
 * Yields the labelled calls of a span, the newest file first. Memory is bounded by one file. `labelsOf` finds the labels of ids. Redacted,
 * malformed and unlabelled lines are skipped.
 */
export async function* labelledCalls(
  reader: CaptureReader,
  span: CapturedSpan,
  labelsOf: (ids: readonly string[]) => Promise<readonly CallLabels[]>,
): AsyncGenerator<LabelledInput> {
  const folder = span.prefix === '' ? `${span.endpoint}/` : `${span.prefix}/${span.endpoint}/`;
  const variants = await variantsIn(reader, span.bucket, folder);
  for (let hour = hourOf(span.toMs - 1); hour + hourMs > span.fromMs; hour -= hourMs) {
    const [year, month, day, hours] = new Date(hour).toISOString().split(/[-T:]/);
    for (const variant of variants) {
      const keys = await keysUnder(reader, span.bucket, `${folder}${variant}/${year}/${month}/${day}/${hours}/`);
      for (const key of keys.toReversed()) yield* labelledIn((await reader.read(span.bucket, key)) ?? noBytes, variant, span, labelsOf);
    }
  }
}

const noBytes = Buffer.alloc(0);

function hourOf(atMs: number): number {
  return Math.floor(atMs / hourMs) * hourMs;
}

/** The folders of an endpoint, found without listing what is in them. */
async function variantsIn(reader: CaptureReader, bucket: string, folder: string): Promise<string[]> {
  const variants: string[] = [];
  for (let after: string | null = null; variants.length < variantsMax; ) {
    const [key] = await reader.list(bucket, folder, after);
    if (key === undefined) break;
    const end = key.indexOf('/', folder.length);
    if (end !== -1) variants.push(key.slice(folder.length, end));
    // 0 is the character after /, so this skips the folder.
    after = end === -1 ? key : `${key.slice(0, end)}0`;
  }
  return variants;
}

async function keysUnder(reader: CaptureReader, bucket: string, folder: string): Promise<string[]> {
  const keys: string[] = [];
  for (let after: string | null = null; keys.length < filesMax; ) {
    const page = await reader.list(bucket, folder, after);
    if (page.length === 0) break;
    keys.push(...page.filter((key) => key.endsWith('.jsonl')));
    after = page.at(-1) as string;
  }
  return keys;
}

async function* labelledIn(
  file: Buffer,
  variant: string,
  { fromMs, toMs }: CapturedSpan,
  labelsOf: (ids: readonly string[]) => Promise<readonly CallLabels[]>,
): AsyncGenerator<LabelledInput> {
  const slices = new Slices(bytesPerSlice);
  let inputs: CapturedInput[] = [];
  for (let start = 0; start < file.length; ) {
    const found = file.indexOf(0x0a, start);
    const end = found === -1 ? file.length : found;
    const input = capturedInput(file.toString('utf8', start, end), variant);
    await slices.done(end - start);
    start = end + 1;
    // Times in the files are whole seconds.
    if (input === null || input.atMs < fromMs - 999 || input.atMs >= toMs) continue;
    inputs.push(input);
    if (inputs.length < joinedAtOnce) continue;
    yield* joined(inputs, await labelsOf(inputs.map(({ inferenceId }) => inferenceId)));
    inputs = [];
  }
  if (inputs.length > 0) yield* joined(inputs, await labelsOf(inputs.map(({ inferenceId }) => inferenceId)));
}

function joined(inputs: readonly CapturedInput[], labelled: readonly CallLabels[]): LabelledInput[] {
  const byId = new Map(labelled.map((each) => [each.inferenceId, each]));
  return inputs.flatMap((input) => {
    const found = byId.get(input.inferenceId);
    return found === undefined || Math.floor(found.calledAtMs / 1000) * 1000 !== input.atMs ? [] : [{ ...input, labels: found.labels }];
  });
}
