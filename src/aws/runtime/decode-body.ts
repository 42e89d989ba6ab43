/** Decodes the body of an invocation into tensors by its content type: the request side of the built-in worker. */
import {
  bareInstances,
  bodyTask,
  checkCsvBody,
  checkRows,
  dataframeRows,
  decodeCsvBody,
  decodeInstances,
  decodeInThread,
  decodeJsonRows,
  decodeNpy,
  decodeParsed,
  decodeRaw,
  type InferRequest,
  invalidRequest,
  isShortBinary,
  isShortNpy,
  isShortText,
  type JsonLimits,
  type JsonObject,
  jsonLength,
  jsonRowTypes,
  ModelPlan,
  parseBounded,
  parseObject,
  type RowInvocation,
  type RowLimits,
  rowsMaxOf,
  tensorBytes,
  tensorLimits,
  textOf,
  truncated,
} from '../../codecs/index.ts';
import { asPlatformError, PlatformError } from '../../errors.ts';
import { takesJson } from '../../tensor.ts';
import type { Threads } from '../../threads/index.ts';
import {
  csv,
  json,
  jsonLines,
  jsonSize,
  type MediaType,
  MediaTypeError,
  npy,
  octetStream,
  parseMediaType,
  plainText,
  tritonBinary,
} from './media-type.ts';
import { type ReplyForm, replyForm } from './reply-form.ts';
import { checkSniffed, sniff } from './sniff.ts';

/** The unit that is answered as one: the whole body, or one line of JSON lines. */
export interface Document {
  /** The request in terms of the Open Inference Protocol; null if the body contained rows. */
  readonly request: InferRequest | null;
  /** One, or one for each row if the model is not batchable. */
  readonly invocations: readonly RowInvocation[];
}

/** One document, or one for each line of JSON lines. */
export interface DecodedBody {
  readonly documents: readonly Document[];
  readonly reply: ReplyForm;
}

/** The body with what decides how it is read. */
export interface BodyToDecode {
  readonly plan: ModelPlan;
  readonly contentType: string | undefined;
  /** Decides the format of outputs that the request leaves open. */
  readonly accept: string | undefined;
  readonly body: Buffer;
  readonly limits: RowLimits;
}

interface Reading {
  readonly plan: ModelPlan;
  readonly accept: string | undefined;
  readonly limits: RowLimits;
}

const supportedTypes = [json, csv, npy, octetStream, jsonLines, tritonBinary];

/** Throws `invalid_request` for bad data, `too_large`, and `MediaTypeError` for an unsupported content type or `Accept`. */
export function decodeModelBody({ plan, contentType, accept, body, limits }: BodyToDecode): DecodedBody {
  const media = mediaOf(contentType);
  checkCharset(media);
  const reading = { plan, accept, limits };
  if (takesJson(plan.signature) && media.parameters[jsonSize] === undefined) return ofJsonRows(reading, media.type, body);
  switch (media.type) {
    case csv:
      return ofRows(reading, csv, decodeCsvBody(plan.signature, body, { limits }));
    case npy:
      return ofRows(reading, npy, decodeNpy(plan.signature, body, limits));
    case json:
    case octetStream:
    case tritonBinary: {
      const size = media.parameters[jsonSize];
      if (size !== undefined) return ofSizedJson(reading, media.type === json ? octetStream : media.type, size, body);
      if (media.type !== json) return ofUnknown(reading, media.type, body);
      const text = textOf(body);
      return ofDocument(reading, parseBounded(text, limitsOf(reading, text)), text);
    }
    case jsonLines:
      return ofLines(reading, body);
    default:
      throw new MediaTypeError(415, `unsupported content type '${truncated(media.type)}': expected one of ${supportedTypes.join(', ')}`);
  }
}

/** Each JSON line is a separate document, which costs more than a row within one document. */
const shortLinesBytes = 8 * 1024;

/** Whether decoding is cheap enough for the event loop. */
function isShort({ plan: { signature }, contentType, body }: BodyToDecode): boolean {
  const { type, parameters } = mediaOf(contentType);
  if (type === jsonLines) return body.length <= shortLinesBytes;
  if (isShortText(signature, body.length)) return true;
  const size = Number(parameters[jsonSize]);
  if (Number.isFinite(size)) return isShortText(signature, size) && isShortBinary(signature, body.length);
  return type === npy && isShortNpy(signature, body);
}

/** Errors lose their class between threads, so a `MediaTypeError` travels as data. */
type TaskResult = { readonly decoded: DecodedBody } | { readonly rejected: Pick<MediaTypeError, 'status' | 'message'> };

interface TaskInput extends Omit<BodyToDecode, 'plan'> {
  readonly plan: Pick<ModelPlan, 'model' | 'version' | 'signature' | 'isBatched'>;
}

/** Counts what is JSON or CSV, as `decodeModelBody` does. */
export const checkBodyTask = bodyTask(
  import.meta.url,
  'checkBodyTask',
  ({ plan: { signature }, contentType, body, limits }: TaskInput): void => {
    const { type, parameters } = mediaOf(contentType);
    if (parameters[jsonSize] !== undefined) return;
    if (type === json) checkRows({ signature, contentType: type, body, label: undefined, limits });
    if ((type === octetStream || type === tritonBinary) && !takesJson(signature))
      checkSniffed(signature, body, (text) => textLimits(signature, limits, text));
    if (type === csv && !takesJson(signature)) checkCsvBody(signature, body, { limits });
    if (type === jsonLines && !takesJson(signature)) checkLines(body, limits.requestsMax);
  },
  () => [],
);

/** Decodes in a thread: a large body would block the event loop. */
export const decodeBodyTask = bodyTask(
  import.meta.url,
  'decodeBodyTask',
  ({ plan: { model, version, signature, isBatched }, ...input }: TaskInput): TaskResult => {
    try {
      return { decoded: decodeModelBody({ ...input, plan: new ModelPlan(model, version, signature, isBatched) }) };
    } catch (error) {
      if (error instanceof MediaTypeError) return { rejected: { status: error.status, message: error.message } };
      throw error;
    }
  },
  (result) => ('decoded' in result ? tensorBytes(result.decoded.documents.flatMap(({ invocations }) => invocations)) : []),
  checkBodyTask,
);

/** Like `decodeModelBody`, in a thread if the body is large. The input `body` is then transferred: use the result's `body` instead. */
export async function decodeBodySomewhere(
  threads: Threads,
  input: BodyToDecode,
  isWanted: () => boolean,
): Promise<{ readonly decoded: DecodedBody; readonly body: Buffer }> {
  if (isShort(input)) return { decoded: decodeModelBody(input), body: input.body };
  const { model, version, signature, isBatched } = input.plan;
  const plan = { model, version, signature, isBatched };
  const { decoded: result, body } = await decodeInThread(threads, decodeBodyTask, { ...input, plan }, isWanted);
  if ('rejected' in result) throw new MediaTypeError(result.rejected.status, result.rejected.message);
  return { decoded: result.decoded, body };
}

function mediaOf(contentType: string | undefined): MediaType {
  return parseMediaType(contentType === undefined || contentType === '' ? octetStream : contentType);
}

function limitsOf({ plan: { signature }, limits }: Reading, text: string): JsonLimits {
  return textLimits(signature, limits, text);
}

function textLimits({ inputs }: ModelPlan['signature'], limits: RowLimits, text: string): JsonLimits {
  return tensorLimits(text, inputs, rowsMaxOf(inputs, limits));
}

function checkCharset({ type, parameters: { charset } }: MediaType): void {
  if (charset === undefined || /^(utf-?8|us-ascii|ascii)$/i.test(charset)) return;
  throw new MediaTypeError(415, `unsupported charset '${truncated(charset)}' of ${truncated(type)}: expected UTF-8`);
}

function ofRows({ accept }: Reading, type: string, invocations: readonly RowInvocation[]): DecodedBody {
  return { documents: [{ request: null, invocations }], reply: replyForm(accept, type) };
}

/** Rows of any JSON. SDKs send application/octet-stream by default. */
function ofJsonRows({ plan, accept, limits }: Reading, type: string, body: Buffer): DecodedBody {
  const known = type === octetStream ? json : type;
  if (![json, jsonLines, plainText].includes(known)) {
    throw new MediaTypeError(415, `unsupported content type '${truncated(type)}': expected one of ${jsonRowTypes.join(', ')}`);
  }
  const invocations = decodeJsonRows(plan.signature, known, body, limits);
  return { documents: [{ request: null, invocations }], reply: replyForm(accept, known === jsonLines ? jsonLines : json, [json]) };
}

function ofDocument(reading: Reading, document: unknown, text: string): DecodedBody {
  const reply = replyForm(reading.accept, json);
  return { documents: [documentOf(reading, document, text, reply)], reply };
}

/** Decodes a document of the Open Inference Protocol, or instances. */
function documentOf(reading: Reading, input: unknown, text: string, reply: ReplyForm): Document {
  const { plan, limits } = reading;
  const bare = dataframeRows(plan.signature, input) ?? bareInstances(plan.signature, input);
  if (bare !== null) return { request: null, invocations: decodeInstances(plan.signature, bare, limits) };
  const document = objectOf(input);
  if (document['instances'] === undefined) {
    if (document['inputs'] === undefined) {
      throw invalidRequest('expected {"inputs": [tensor, …]} of the Open Inference Protocol, or {"instances": [row, …]}');
    }
    return protocolDocument(reading, document, text, null, reply);
  }
  const unknown = Object.keys(document).find((key) => key !== 'instances');
  if (unknown !== undefined) throw invalidRequest(`unknown field '${truncated(unknown)}': expected 'instances' alone`);
  return { request: null, invocations: decodeInstances(plan.signature, document['instances'], limits) };
}

function objectOf(value: unknown): JsonObject {
  if (typeof value === 'object' && value !== null) return value as JsonObject;
  throw invalidRequest('the body is valid JSON, but neither an object nor an array of rows');
}

function protocolDocument({ plan, limits }: Reading, document: JsonObject, text: string, rest: Buffer | null, reply: ReplyForm): Document {
  // May hold more rows than a batch: `partsOf` splits it.
  const decoded = decodeParsed(plan, limits.rowsMax, document, text, rest, reply.type === octetStream);
  return { request: withOutputs(decoded, reply), invocations: [decoded] };
}

/** If `Accept` names JSON, the response has no binary tensors. */
function withOutputs(request: InferRequest, { type, isRequested }: ReplyForm): InferRequest {
  if (type !== json || !isRequested) return request;
  return { ...request, outputs: request.outputs.map((output) => ({ ...output, binary: false })) };
}

/** `size` bytes of JSON followed by binary tensors. 0 means that the body is the raw bytes of a single input. */
function ofSizedJson(reading: Reading, type: string, size: string, body: Buffer): DecodedBody {
  const length = jsonLength(size, body.length, `${jsonSize} of the content type`);
  if (length === 0) return ofRaw(reading, type, body);
  const text = textOf(body.subarray(0, length));
  return ofBinary(reading, type, parseObject(text, limitsOf(reading, text)), text, body.subarray(length));
}

function ofBinary(reading: Reading, type: string, document: JsonObject, text: string, rest: Buffer): DecodedBody {
  const reply = replyForm(reading.accept, type);
  return { documents: [protocolDocument(reading, document, text, rest, reply)], reply };
}

function ofRaw({ plan, accept }: Reading, type: string, body: Buffer): DecodedBody {
  const reply = replyForm(accept, type);
  const request = withOutputs(decodeRaw(plan, body, false), reply);
  return { documents: [{ request, invocations: [request] }], reply };
}

/** Detects the format: SDKs send application/octet-stream by default. */
function ofUnknown(reading: Reading, type: string, body: Buffer): DecodedBody {
  const sniffed = sniff(reading.plan.signature, body, (text) => limitsOf(reading, text));
  switch (sniffed.kind) {
    case 'npy':
      return ofRows(reading, npy, decodeNpy(reading.plan.signature, body, reading.limits));
    case 'json':
      return ofDocument(reading, sniffed.document, sniffed.text);
    case 'binary':
      return ofBinary(reading, type, sniffed.document, sniffed.text, sniffed.rest);
    case 'raw':
      return ofRaw(reading, type, body);
  }
}

function ofLines(reading: Reading, body: Buffer): DecodedBody {
  const reply = replyForm(reading.accept, jsonLines);
  const documents: Document[] = [];
  const { requestsMax } = reading.limits;
  const text = textOf(body);
  // Scans instead of splitting, so that too many lines are rejected early.
  for (let [start, number] = [0, 1]; start < text.length; number++) {
    const found = text.indexOf('\n', start);
    const end = found === -1 ? text.length : found;
    const line = text.slice(start, end);
    start = end + 1;
    if (line.trim() === '') continue;
    if (documents.length === requestsMax) throw tooManyLines(requestsMax);
    try {
      documents.push(documentOf(reading, parseBounded(line, limitsOf(reading, line)), line, { type: json, isRequested: true }));
    } catch (error) {
      throw inLine(number, error);
    }
  }
  if (documents.length === 0) throw invalidRequest('the body has no lines: expected one JSON document per line');
  return { documents, reply };
}

/** Counts the lines before any is parsed. Blank ones do not count. */
function checkLines(body: Buffer, most: number): void {
  const [newline, space] = [0x0a, 0x20];
  let lines = 0;
  let isBlank = true;
  for (const byte of body) {
    if (byte === newline) isBlank = true;
    else if (isBlank && byte > space) {
      isBlank = false;
      if (++lines > most) throw tooManyLines(most);
    }
  }
}

function tooManyLines(most: number): PlatformError {
  return new PlatformError('too_large', `the body has too many lines: expected at most ${most}`, {
    hint: 'send fewer lines per request, or use a transform job',
  });
}

/** Adds the line number to the message. */
function inLine(line: number, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, message } = asPlatformError(error);
  return code === 'too_large' ? new PlatformError(code, `line ${line}: ${message}`) : invalidRequest(`line ${line}: ${message}`);
}
