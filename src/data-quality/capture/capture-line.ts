/** Formats a captured call as a line in SageMaker's layout, and names files and folders as SageMaker does. Pure. */
import { isUtf8 } from 'node:buffer';
import { type CaptureConfig, parseCaptureDestination } from './capture-config.ts';
import { redactCsv, redacted, redactJson } from './redact.ts';

/** A body as sent over the wire. */
export interface WireBody {
  readonly contentType: string;
  readonly body: Uint8Array | string;
}

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
