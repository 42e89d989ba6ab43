/** Formats a captured call as a line in SageMaker's layout, and names files and folders as SageMaker does. Pure. */
import { isUtf8 } from 'node:buffer';
import { type CaptureConfig, parseCaptureDestination } from './capture-config.ts';

/** A body as sent over the wire. */
export interface WireBody {
  readonly contentType: string;
  readonly body: Uint8Array | string;
}

/** A call to be captured. */
export interface CapturedCall {
  readonly endpoint: string;
  readonly variant: string;
  readonly eventId: string;
  /** The client's id of the inference; null if it sent none. */
  readonly inferenceId: string | null;
  /** Epoch milliseconds. */
  readonly atMs: number;
  readonly input: WireBody;
  /** Null if the response was streamed and not buffered. */
  readonly output: WireBody | null;
  readonly capture: CaptureConfig;
}

interface CapturedBody {
  readonly observedContentType: string;
  readonly mode: 'INPUT' | 'OUTPUT';
  readonly data: string;
  readonly encoding: 'CSV' | 'JSON' | 'BASE64';
}

/** `{"captureData": ...}`, including the line end. */
export function captureLine({ eventId, inferenceId, atMs, input, output, capture }: CapturedCall): string {
  const captureData = {
    ...(capture.inputs ? { endpointInput: bodyOf(input, 'INPUT', capture) } : {}),
    ...(capture.outputs && output !== null ? { endpointOutput: bodyOf(output, 'OUTPUT', capture) } : {}),
  };
  const inferenceTime = `${new Date(atMs).toISOString().slice(0, 19)}Z`;
  const eventMetadata = { eventId, ...(inferenceId === null ? {} : { inferenceId }), inferenceTime };
  return `${JSON.stringify({ captureData, eventMetadata, eventVersion: '0' })}\n`;
}

function bodyOf({ contentType, body }: WireBody, mode: CapturedBody['mode'], config: CaptureConfig): CapturedBody {
  const { csvTypes = ['text/csv'], jsonTypes = ['application/json'], redact } = config;
  const type = mediaType(contentType);
  const isCsv = csvTypes.some((each) => mediaType(each) === type);
  const isText = (isCsv || jsonTypes.some((each) => mediaType(each) === type)) && isWhole(body);
  const encoding = isText ? (isCsv ? 'CSV' : 'JSON') : 'BASE64';
  return { observedContentType: contentType, mode, data: dataOf(body, encoding, redact), encoding };
}

function dataOf(body: Uint8Array | string, encoding: CapturedBody['encoding'], redact: readonly string[]): string {
  const bytes = typeof body === 'string' ? null : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (encoding === 'BASE64') {
    if (redact.length > 0) return redacted; // the names cannot be located in it
    return (bytes ?? Buffer.from(body as string)).toString('base64');
  }
  const text = bytes === null ? (body as string) : bytes.toString('utf8');
  if (redact.length === 0) return text;
  const names = new Set(redact);
  return encoding === 'CSV' ? redactCsv(text, names) : redactJson(text, names);
}

function isWhole(body: Uint8Array | string): boolean {
  return typeof body === 'string' || isUtf8(body);
}

function mediaType(contentType: string): string {
  return (contentType.split(';', 1)[0] as string).trim().toLowerCase();
}

/** The folder of a call's hour: `PREFIX/ENDPOINT/VARIANT/yyyy/mm/dd/hh`. */
export function captureFolder({ endpoint, variant, atMs, capture }: Pick<CapturedCall, 'endpoint' | 'variant' | 'atMs' | 'capture'>): {
  readonly bucket: string;
  readonly folder: string;
} {
  const { bucket, prefix } = parseCaptureDestination(capture.to);
  const [year, month, day, hour] = new Date(atMs).toISOString().split(/[-T:]/);
  const folder = [prefix, endpoint, variant, year, month, day, hour].filter((part) => part !== '').join('/');
  return { bucket, folder };
}

/** `28-44-383-UUID.jsonl`: minute, second, millisecond of its first line. */
export function captureFileName(atMs: number, id: string): string {
  const [, , , , minute, second, rest] = new Date(atMs).toISOString().split(/[-T:.]/);
  return `${minute}-${second}-${(rest ?? '').slice(0, 3)}-${id}.jsonl`;
}

/** Redacts values in bodies. A body that cannot be parsed is redacted as a whole. Pure. */

/** Replaces redacted values and bodies. */
export const redacted = '[redacted]';

/** The text of a JSON body, or of JSON lines. */
export function redactJson(text: string, names: ReadonlySet<string>): string {
  try {
    return JSON.stringify(without(JSON.parse(text) as unknown, names, 0));
  } catch {
    // It may be JSON lines.
  }
  try {
    const lines = text.split('\n').map((line) => (line.trim() === '' ? line : JSON.stringify(without(JSON.parse(line), names, 0))));
    return lines.join('\n');
  } catch {
    return redacted;
  }
}

const depthMax = 64;

function without(value: unknown, names: ReadonlySet<string>, depth: number): unknown {
  if (depth > depthMax) return redacted;
  if (Array.isArray(value)) return value.map((each) => without(each, names, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value);
  // A tensor of the Open Inference Protocol has its name in a member.
  const isNamed = members.some(([key, each]) => key === 'name' && typeof each === 'string' && names.has(each));
  return Object.fromEntries(
    members.map(([key, each]) => [key, names.has(key) || (isNamed && key === 'data') ? redacted : without(each, names, depth + 1)]),
  );
}

/**
 * Redacts CSV columns by the names in the header. Without a header line with one of the names, columns are addressed as `[0]`, `[1]`, ...
 * or `x[0]`. If a name matches neither way, the whole body is redacted.
 */
export function redactCsv(text: string, names: ReadonlySet<string>): string {
  const lines = text.split('\n');
  const header = cells(lines[0] ?? '').map(unquoted);
  const isHeader = header.some((cell) => names.has(cell));
  const columns = new Set<number>();
  for (const name of names) {
    const named = isHeader ? header.indexOf(name) : -1;
    const [, index] = /\[(\d{1,6})\]$/.exec(name) ?? [];
    if (named >= 0) columns.add(named);
    else if (index !== undefined) columns.add(Number(index));
    else if (!isHeader) return redacted;
  }
  return lines
    .map((line, i) => {
      if (line === '' || (isHeader && i === 0)) return line;
      const end = line.endsWith('\r') ? '\r' : '';
      return `${cells(end === '' ? line : line.slice(0, -1))
        .map((cell, column) => (columns.has(column) ? redacted : cell))
        .join(',')}${end}`;
    })
    .join('\n');
}

/** Raw cells of a line, including quotes. */
function cells(line: string): string[] {
  const found: string[] = [];
  let [start, isQuoted] = [0, false];
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '"') isQuoted = !isQuoted;
    else if (line[i] === ',' && !isQuoted) {
      found.push(line.slice(start, i));
      start = i + 1;
    }
  }
  found.push(line.slice(start));
  return found;
}

function unquoted(cell: string): string {
  const text = cell.trim();
  return text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
}
