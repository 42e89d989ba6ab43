/** The body of an invocation into what the model runs, by its content type: the request side of the built-in worker. */
import {
  bareInstances,
  decodeCsv,
  decodeInstances,
  decodeNpy,
  decodeParsed,
  decodeRaw,
  type InferRequest,
  type Invocation,
  invalid,
  type JsonObject,
  jsonLength,
  type ModelPlan,
  parseBounded,
  parseObject,
  shown,
  textOf,
} from '../../codecs/index.ts';
import { csv, json, jsonLines, jsonSize, type MediaType, npy, octets, parseMediaType, tritonBinary } from './media-type.ts';
import { type ReplyForm, replyForm } from './reply-form.ts';
import { sniff } from './sniff.ts';
import { TypeRefusal } from './type-refusal.ts';

/** What is answered as one: the whole body, or a line of JSON lines. */
export interface Document {
  /** As the Open Inference Protocol has it; null where rows came. */
  readonly request: InferRequest | null;
  /** One, or one for each row where the model takes a row at a time. */
  readonly invocations: readonly Invocation[];
}

export interface DecodedBody {
  readonly documents: readonly Document[];
  readonly reply: ReplyForm;
}

/** A body and its reply's form: `Accept` says what outputs are that the request leaves open. */
interface Reading {
  readonly plan: ModelPlan;
  readonly accept: string | undefined;
}

const readTypes = [json, csv, npy, octets, jsonLines, tritonBinary];

/** Throws `invalid_request` for bad data, `TypeRefusal` for a type that is not read or an answer that is not written. */
export function decodeBody(plan: ModelPlan, contentType: string | undefined, accept: string | undefined, body: Buffer): DecodedBody {
  const media = parseMediaType(contentType === undefined || contentType === '' ? octets : contentType);
  checkCharset(media);
  const reading = { plan, accept };
  switch (media.type) {
    case csv:
      return ofRows(reading, csv, decodeCsv(plan.signature, textOf(body)));
    case npy:
      return ofRows(reading, npy, decodeNpy(plan.signature, body));
    case json:
    case octets:
    case tritonBinary: {
      const size = media.parameters[jsonSize];
      if (size !== undefined) return ofSizedJson(reading, media.type === json ? octets : media.type, size, body);
      if (media.type !== json) return ofUnknown(reading, media.type, body);
      const text = textOf(body);
      return ofDocument(reading, parseBounded(text), text);
    }
    case jsonLines:
      return ofLines(reading, body);
    default:
      throw new TypeRefusal(415, `the content type '${shown(media.type)}' is not read: send ${readTypes.join(', ')}`);
  }
}

function checkCharset({ type, parameters: { charset } }: MediaType): void {
  if (charset === undefined || /^(utf-?8|us-ascii|ascii)$/i.test(charset)) return;
  throw new TypeRefusal(415, `${shown(type)} in the charset '${shown(charset)}' is not read: send UTF-8`);
}

function ofRows({ accept }: Reading, type: string, invocations: readonly Invocation[]): DecodedBody {
  return { documents: [{ request: null, invocations }], reply: replyForm(accept, type) };
}

function ofDocument({ plan, accept }: Reading, document: unknown, text: string): DecodedBody {
  const reply = replyForm(accept, json);
  return { documents: [documentOf(plan, document, text, reply)], reply };
}

/** The Open Inference Protocol, or instances. */
function documentOf(plan: ModelPlan, given: unknown, text: string, reply: ReplyForm): Document {
  const bare = bareInstances(plan.signature, given);
  if (bare !== null) return { request: null, invocations: decodeInstances(plan.signature, bare) };
  const document = objectOf(given);
  if (document['instances'] === undefined) {
    if (document['inputs'] === undefined) {
      throw invalid('expected {"inputs": [tensor, …]} of the Open Inference Protocol, or {"instances": [row, …]}');
    }
    return protocolDocument(plan, document, text, null, reply);
  }
  const stranger = Object.keys(document).find((key) => key !== 'instances');
  if (stranger !== undefined) throw invalid(`unknown field '${shown(stranger)}': beside 'instances' there is none`);
  return { request: null, invocations: decodeInstances(plan.signature, document['instances']) };
}

function objectOf(value: unknown): JsonObject {
  if (typeof value === 'object' && value !== null) return value as JsonObject;
  throw invalid('the body is valid JSON, but neither an object nor a list of rows');
}

function protocolDocument(plan: ModelPlan, document: JsonObject, text: string, rest: Buffer | null, reply: ReplyForm): Document {
  // Any number of rows: they are cut into batches here.
  const decoded = decodeParsed(plan, 0, document, text, rest, reply.type === octets);
  return { request: withOutputs(decoded, reply), invocations: [decoded] };
}

/** Whoever accepts JSON gets nothing else. */
function withOutputs(request: InferRequest, { type, isAsked }: ReplyForm): InferRequest {
  if (type !== json || !isAsked) return request;
  return { ...request, outputs: request.outputs.map((output) => ({ ...output, binary: false })) };
}

/** JSON of a length that the content type tells, and tensors after it; with 0 the body is the one input. */
function ofSizedJson(reading: Reading, type: string, size: string, body: Buffer): DecodedBody {
  const length = jsonLength(size, body.length, `${jsonSize} of the content type`);
  if (length === 0) return ofRaw(reading, type, body);
  const text = textOf(body.subarray(0, length));
  return ofBinary(reading, type, parseObject(text), text, body.subarray(length));
}

function ofBinary({ plan, accept }: Reading, type: string, document: JsonObject, text: string, rest: Buffer): DecodedBody {
  const reply = replyForm(accept, type);
  return { documents: [protocolDocument(plan, document, text, rest, reply)], reply };
}

function ofRaw({ plan, accept }: Reading, type: string, body: Buffer): DecodedBody {
  const reply = replyForm(accept, type);
  const request = withOutputs(decodeRaw(plan, body, false), reply);
  return { documents: [{ request, invocations: [request] }], reply };
}

function ofUnknown(reading: Reading, type: string, body: Buffer): DecodedBody {
  const sniffed = sniff(reading.plan.signature, body);
  switch (sniffed.kind) {
    case 'npy':
      return ofRows(reading, npy, decodeNpy(reading.plan.signature, body));
    case 'json':
      return ofDocument(reading, sniffed.document, sniffed.text);
    case 'binary':
      return ofBinary(reading, type, sniffed.document, sniffed.text, sniffed.rest);
    case 'raw':
      return ofRaw(reading, type, body);
  }
}

function ofLines({ plan, accept }: Reading, body: Buffer): DecodedBody {
  const reply = replyForm(accept, jsonLines);
  const documents: Document[] = [];
  for (const [index, line] of textOf(body).split('\n').entries()) {
    if (line.trim() === '') continue;
    try {
      documents.push(documentOf(plan, parseBounded(line), line, { type: json, isAsked: true }));
    } catch (error) {
      throw inLine(index + 1, error);
    }
  }
  if (documents.length === 0) throw invalid('the body has no line: send a JSON document a line');
  return { documents, reply };
}

function inLine(line: number, error: unknown): unknown {
  return error instanceof Error ? invalid(`line ${line}: ${error.message}`) : error;
}
