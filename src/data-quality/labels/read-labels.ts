/** Parses posted labels. Pure. */
import { bodyTask, checkJsonCost, type JsonLimits } from '../../codecs/index.ts';
import { PlatformError } from '../../errors.ts';
import type { Label } from './score.ts';

/** The labels of one call. */
export interface LabelInput {
  readonly inferenceId: string;
  /** One per row. */
  readonly labels: readonly Label[];
}

const namedMax = 20;
/** Longer ids are cut when a call is captured. */
export const inferenceIdLengthMax = 256;
/** As the classes of evaluation sets. Labels are stored for 90 days. */
const labelLengthMax = 256;
/** As many as the rows of a call. */
const labelsMax = 65_536;
const lineLimits: JsonLimits = { depthMax: 16, valuesMax: 2 * labelsMax, nodesMax: 2 * labelsMax };

/** One JSON object per line. Throws `invalid_request` with the line number. */
export function readLabels(text: string, linesMax: number): LabelInput[] {
  const lines = linesOf(text, linesMax + 1);
  if (lines.length === 0 || lines.length > linesMax) {
    const got = lines.length > linesMax ? 'more' : '0';
    throw new PlatformError('invalid_request', `expected 1 to ${linesMax} lines of {"inference_id": ..., "label": ...}, got ${got}`);
  }
  return lines.map((line, i) => labelOf(line, i + 1));
}

/** `readLabels` for a thread. */
export const readLabelsTask = bodyTask(
  import.meta.url,
  'readLabelsTask',
  ({ body, linesMax }: { readonly body: Buffer; readonly linesMax: number }) => readLabels(body.toString('utf8'), linesMax),
  () => [],
);

/** Non-blank lines, at most `max`. As many blank ones are skipped. */
function linesOf(text: string, max: number): string[] {
  const lines: string[] = [];
  let all = 0;
  for (let start = 0; start < text.length && lines.length < max; all++) {
    if (all >= 2 * max) throw new PlatformError('invalid_request', `expected at most ${max} empty lines, got more: leave them out`);
    const found = text.indexOf('\n', start);
    const end = found === -1 ? text.length : found;
    const line = text.slice(start, end);
    if (line.trim() !== '') lines.push(line);
    start = end + 1;
  }
  return lines;
}

function labelOf(line: string, number: number): LabelInput {
  const { inference_id: id, label } = parsed(line) ?? {};
  const labels: readonly unknown[] = Array.isArray(label) ? label : [label];
  const isLabel = (each: unknown): each is Label => ['number', 'string', 'boolean'].includes(typeof each);
  if (typeof id !== 'string' || id === '' || labels.length === 0 || labels.length > labelsMax || !labels.every(isLabel)) {
    throw new PlatformError(
      'invalid_request',
      `line ${number}: expected {"inference_id": "...", "label": a number, a text, or a list with one per row}, got ${line.slice(0, 80)}`,
    );
  }
  const long = labels.find((each) => typeof each === 'string' && each.length > labelLengthMax) as string | undefined;
  if (long !== undefined) {
    throw new PlatformError(
      'invalid_request',
      `line ${number}: expected labels of at most ${labelLengthMax} characters, got one of ${long.length}: ${long.slice(0, 40)}…`,
    );
  }
  return { inferenceId: id.slice(0, inferenceIdLengthMax), labels };
}

function parsed(line: string): { readonly inference_id?: unknown; readonly label?: unknown } | null {
  try {
    checkJsonCost(line, lineLimits);
    return JSON.parse(line) as { readonly inference_id?: unknown; readonly label?: unknown } | null;
  } catch {
    return null;
  }
}

/** The first few of many names. */
export function someOf(names: readonly string[]): readonly string[] {
  return names.slice(0, namedMax);
}
